//! Runs: starting them, waiting for their end, and the counting rule, which every run must keep.

use contracts::v1::runs_client::RunsClient;
use contracts::v1::{
    ApplyRunRequest, CancelRunRequest, Change, Counts, GetRunRequest, ListChangesRequest, ListRunsRequest,
    Outcome, Run, RunKind, RunState, StartRunRequest,
};
use tonic::Status;
use tonic::transport::Channel;

use crate::documents::CONNECTION;
use crate::world::{World, all};

impl World {
    /// The API of runs.
    pub fn runs(&self) -> RunsClient<Channel> {
        RunsClient::new(self.channel())
    }

    /// A full run to its end, which must be a good one.
    pub async fn full(&self) -> Run {
        self.run(RunKind::Full).await
    }

    /// A delta run to its end, which must be a good one.
    pub async fn delta(&self) -> Run {
        self.run(RunKind::Delta).await
    }

    /// A preview to its plan.
    pub async fn preview(&self) -> Run {
        let run = self.run_to_end(RunKind::Preview).await;
        assert_eq!(run.state(), RunState::Planned, "{run:#?}");
        run
    }

    /// A run to its end, which must be a good one.
    pub async fn run(&self, kind: RunKind) -> Run {
        let run = self.run_to_end(kind).await;
        assert_eq!(run.state(), RunState::Finished, "{run:#?}");
        run
    }

    /// A run to its end, whatever that is.
    pub async fn run_to_end(&self, kind: RunKind) -> Run {
        let started = self.start_run(kind).await;
        self.ended(&started.id).await
    }

    /// Starts a run.
    pub async fn start_run(&self, kind: RunKind) -> Run {
        self.try_start(CONNECTION, kind).await.unwrap()
    }

    /// Starts a run of any connection.
    pub async fn try_start(&self, connection: &str, kind: RunKind) -> Result<Run, Status> {
        let request = StartRunRequest {
            connection: connection.to_owned(),
            kind: kind.into(),
            ..StartRunRequest::default()
        };
        Ok(self.runs().start_run(self.call(request)).await?.into_inner())
    }

    /// The run as it is now.
    pub async fn get_run(&self, id: &str) -> Run {
        let request = GetRunRequest {
            run_id: id.to_owned(),
        };
        self.runs()
            .get_run(self.call(request))
            .await
            .unwrap()
            .into_inner()
    }

    /// The id of the run that was asked for last.
    pub async fn latest_run(&self) -> String {
        let request = ListRunsRequest {
            page_size: 1,
            ..ListRunsRequest::default()
        };
        let runs = self.runs().list_runs(self.call(request)).await.unwrap();
        let latest = runs.into_inner().runs.into_iter().next();
        latest.expect("a run was asked for").id
    }

    /// Follows a run until it has ended or waits with its plan; its counts must be true.
    pub async fn ended(&self, id: &str) -> Run {
        let seen = self.watched(id).await;
        let run = seen
            .into_iter()
            .next_back()
            .expect("a watched run is told at least once");
        self.check_counts(&run).await;
        run
    }

    /// Everything that is told of a run until it has ended or waits with its plan.
    pub async fn watched(&self, id: &str) -> Vec<Run> {
        let request = GetRunRequest {
            run_id: id.to_owned(),
        };
        all(self
            .runs()
            .watch_run(self.call(request))
            .await
            .unwrap()
            .into_inner())
        .await
    }

    /// Applies a preview's plan, and follows it to its end.
    pub async fn apply_plan(&self, id: &str) -> Run {
        self.try_apply_plan(id).await.unwrap();
        let run = self.ended(id).await;
        assert_eq!(run.state(), RunState::Finished, "{run:#?}");
        run
    }

    /// Asks for a preview's plan to be applied.
    pub async fn try_apply_plan(&self, id: &str) -> Result<Run, Status> {
        let request = ApplyRunRequest {
            run_id: id.to_owned(),
            ..ApplyRunRequest::default()
        };
        Ok(self.runs().apply_run(self.call(request)).await?.into_inner())
    }

    /// Asks for a run's end.
    pub async fn cancel(&self, id: &str) -> Result<Run, Status> {
        let request = CancelRunRequest {
            run_id: id.to_owned(),
            ..CancelRunRequest::default()
        };
        Ok(self.runs().cancel_run(self.call(request)).await?.into_inner())
    }

    /// What a run did or would do, page by page; with one outcome or, unspecified, all that is worth a line.
    pub async fn changes(&self, run: &Run, outcome: Outcome) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = ListChangesRequest {
                run_id: run.id.clone(),
                outcome: outcome.into(),
                page_size: 100,
                page_token,
                ..ListChangesRequest::default()
            };
            let page = self
                .runs()
                .list_changes(self.call(request))
                .await
                .unwrap()
                .into_inner();
            changes.extend(page.changes);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return changes;
            }
        }
    }

    /// What a run did with the object of this id or UPN, whatever the outcome.
    pub async fn change_of(&self, run: &Run, who: &str) -> Change {
        let mut all = self.changes(run, Outcome::Unspecified).await;
        for quiet in [Outcome::Skipped, Outcome::Unchanged] {
            all.extend(self.changes(run, quiet).await);
        }
        let found = all
            .iter()
            .find(|change| change.object_id == who || change.upn.eq_ignore_ascii_case(who));
        found
            .cloned()
            .unwrap_or_else(|| panic!("{who} is not in the run: {all:#?}"))
    }

    /// The counting rule, and each tally against the stored outcomes (R7, invariant 1).
    async fn check_counts(&self, run: &Run) {
        if !matches!(
            run.state(),
            RunState::Finished | RunState::Planned | RunState::Cancelled
        ) {
            return;
        }
        let counts = counts(run);
        assert_eq!(
            counts.seen + counts.gone,
            outcomes(&counts).iter().map(|(_, count)| count).sum::<u32>(),
            "seen + gone must add up: {run:#?}"
        );
        assert!(
            counts.overwritten <= counts.updated && counts.reactivated <= counts.updated,
            "{counts:?}"
        );
        for (outcome, count) in outcomes(&counts) {
            let stored = self.changes(run, outcome).await;
            let other: Vec<_> = stored
                .iter()
                .filter(|change| change.outcome() != outcome)
                .collect();
            assert!(other.is_empty(), "asked for {outcome:?}: {other:#?}");
            assert_eq!(
                stored.len(),
                count as usize,
                "{outcome:?} of {run:#?}: {stored:#?}"
            );
        }
    }
}

/// A run's counts.
pub fn counts(run: &Run) -> Counts {
    run.counts.unwrap_or_default()
}

/// When a run was asked for, begun and ended, in seconds and nanoseconds; all of it must have happened.
pub fn times(run: &Run) -> [(i64, i32); 3] {
    [run.create_time, run.start_time, run.end_time].map(|time| {
        let time = time.unwrap_or_else(|| panic!("a time is missing: {run:#?}"));
        (time.seconds, time.nanos)
    })
}

/// Each outcome with its tally.
pub fn outcomes(counts: &Counts) -> [(Outcome, u32); 7] {
    [
        (Outcome::Added, counts.added),
        (Outcome::Updated, counts.updated),
        (Outcome::Unchanged, counts.unchanged),
        (Outcome::Skipped, counts.skipped),
        (Outcome::Removed, counts.removed),
        (Outcome::Held, counts.held),
        (Outcome::Failed, counts.failed),
    ]
}

/// Only these outcomes, the others 0; the counting rule gives seen and gone away to who asks.
pub fn tally(run: &Run) -> Vec<(Outcome, u32)> {
    outcomes(&counts(run))
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .collect()
}

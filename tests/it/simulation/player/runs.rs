//! Runs, and what comes of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use contracts::v1::{RunKind, StartRunRequest};
use domain::decision::Outcome;
use domain::id::{ObjectId, RunId};
use harness::documents::CONNECTION;
use harness::runs::outcomes;
use serde_json::Value;
use uuid::Uuid;

use super::{Player, text};
use crate::faults::gate::sql;
use crate::oracle::register::{assert_run, rows};
use crate::oracle::{Directory, Oracle, Plan, Told};
use crate::simulation::invariants::{self, End, Facts};
use crate::simulation::life::{Kind, Trouble};
use crate::simulation::told::Went;

/// A run with all its trouble.
const RUN_LIMIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);
/// How long a plan can be applied.
const PLAN_LIFE_HOURS: u32 = 24;
/// How long a delta goes on from where the last one ended; a few hours before Microsoft's seven days.
const TOKEN_HOURS: u32 = 7 * 24;

/// A plan that waits to be applied.
pub(super) struct Preview {
    run: RunId,
    plan: Plan,
    hours: u32,
    /// The register has changed since.
    pub(super) moved: bool,
}

impl Player<'_> {
    pub(super) async fn run(&mut self, kind: Kind, troubles: &[Trouble]) {
        let before = self.register().await;
        let cursors = self.cursors().await;
        for trouble in troubles {
            trouble.prepare(&self.world.tenant);
        }
        let now = Directory::of(&self.world.tenant);
        let run = self.start(kind).await;
        self.directories.insert(run, (now.clone(), self.hours));
        for trouble in troubles {
            trouble.strike(self.site, &self.world, &run.to_string()).await;
        }
        self.ended(run).await;
        self.world.tenant.clear_faults();
        self.all_ready().await;
        let went = Went::load(&self.access, run).await;
        println!(
            "  {run} {} delta {} proved {} {}",
            went.state, went.delta, went.proved, went.why
        );
        let since = went.delta.then(|| {
            assert!(!self.rules_changed, "a delta by rules that have changed");
            let (directory, hours) = &self.directories[&cursors["users"]];
            assert!(self.hours - hours <= TOKEN_HOURS, "a delta from long ago");
            directory.clone()
        });
        assert!(kind == Kind::Delta || !went.delta, "it was to read everything");
        let asked = self.terms.asked();
        let mut oracle = Oracle::knowing(before.clone(), self.terms.rules(), self.terms.brake());
        let may_fail = troubles.iter().any(|trouble| trouble.may_fail_a_run());
        let (mut done, mut applied) = (None, false);
        match went.state.as_str() {
            "failed" => assert!(may_fail, "it failed: {}", went.why),
            state => {
                let told = Told {
                    leavers_only: kind == Kind::Deprovision,
                    ..went.told(&now, since, &oracle, asked.as_ref())
                };
                let plan = oracle.plan(&now.read(&told, &oracle, asked.as_ref()));
                match state {
                    "finished" => {
                        done = Some(plan.done.clone());
                        assert_run(&self.access, run, &plan.done, &oracle).await;
                        oracle.apply(plan, None);
                        applied = true;
                        self.moved();
                        // After a deprovision a delta goes on from where it would have without.
                        self.rules_changed &= went.delta || !went.proved || kind == Kind::Deprovision;
                    }
                    "planned" => {
                        assert_eq!(kind, Kind::Preview);
                        assert_run(&self.access, run, &plan.done, &oracle).await;
                        self.preview = Some(Preview {
                            run,
                            plan: plan.of_preview(),
                            hours: self.hours,
                            moved: false,
                        });
                    }
                    "cancelled" => {
                        let cancelled = troubles.iter().any(|of| matches!(of, Trouble::Cancel(_)));
                        assert!(cancelled, "nobody ended it");
                        let reached = self.reached(run).await;
                        oracle.apply(plan, Some(&reached));
                        self.moved();
                    }
                    other => panic!("the run is {other}"),
                }
            }
        }
        let after = self.register().await;
        after.assert_is(&oracle, &format!("after {kind:?}, run {run}"));
        let facts = Facts {
            proved: went.proved,
            brake: self.terms.brake(),
        };
        invariants::hold(&before, &after, &facts);
        if done.is_some() || went.state == "planned" {
            self.check_counts(run).await;
        }
        let end = End {
            state: &went.state,
            removed: done.is_some_and(|done| done.count(Outcome::Removed) > 0),
        };
        invariants::told(self.site, &self.world, run, end).await;
        if applied {
            self.remember(run, before, after);
        }
    }

    /// Applies the latest preview: exactly as it was shown, or not at all.
    pub(super) async fn apply(&mut self) {
        let Some(Preview {
            run,
            plan,
            hours,
            moved,
        }) = self.preview.take()
        else {
            return;
        };
        let before = self.register().await;
        let mut oracle = Oracle::knowing(before.clone(), self.terms.rules(), self.terms.brake());
        let asked = self.world.try_apply_plan(&run.to_string()).await;
        let applied = asked.is_ok();
        let removed = plan.done.count(Outcome::Removed) > 0;
        match asked {
            Ok(_) => {
                self.ended(run).await;
                let went = Went::load(&self.access, run).await;
                assert_eq!(went.state, "finished", "{}", went.why);
                assert_run(&self.access, run, &plan.done, &oracle).await;
                oracle.apply(plan, None);
                self.rules_changed = self.rules_changed && self.rules_are_new().await;
            }
            Err(status) => {
                println!("  refused: {}", status.message());
                let old = self.hours - hours >= PLAN_LIFE_HOURS - 1;
                assert!(moved || old, "nothing speaks against it: {status:?}");
            }
        }
        let after = self.register().await;
        after.assert_is(&oracle, &format!("after the preview {run} was applied"));
        if applied {
            let end = End {
                state: "applied",
                removed,
            };
            invariants::told(self.site, &self.world, run, end).await;
            self.remember(run, before, after);
        }
    }

    /// Whether the rules have changed since the reading that deltas go on from.
    pub(super) async fn rules_are_new(&self) -> bool {
        let asked = format!(
            "SELECT EXISTS (SELECT FROM delta_cursor d JOIN connection c ON c.id = d.connection_id
             WHERE c.organization_id = '{}' AND c.rules_changed_at > d.full_at)",
            self.world.organization
        );
        sql(&self.access, &asked).await == "t"
    }

    pub(super) async fn import(&mut self, who: u8) {
        let Some(user) = self.user(who) else { return };
        let upn = text(&user, "userPrincipalName").to_owned();
        let before = self.register().await;
        let now = Directory::of(&self.world.tenant);
        let answer = self.world.try_import_users(&[&upn]).await.unwrap();
        let run: RunId = answer.run.unwrap().id.parse().unwrap();
        self.ended(run).await;
        let went = Went::load(&self.access, run).await;
        assert_eq!(went.state, "finished", "{}", went.why);
        let asked = self.terms.asked();
        let mut oracle = Oracle::knowing(before.clone(), self.terms.rules(), self.terms.brake());
        let told = went.told(&now, None, &oracle, asked.as_ref());
        let plan = oracle.plan(&now.read(&told, &oracle, asked.as_ref()));
        assert_run(&self.access, run, &plan.done, &oracle).await;
        oracle.apply(plan, None);
        let after = self.register().await;
        after.assert_is(&oracle, &format!("after {upn} was imported by hand, run {run}"));
        self.remember(run, before, after);
        // A plan that was made before steps aside for it, record by record.
        self.preview = None;
    }

    pub(super) async fn start(&self, kind: Kind) -> RunId {
        let kind = match kind {
            Kind::Full => RunKind::Full,
            Kind::Delta => RunKind::Delta,
            Kind::Preview => RunKind::Preview,
            Kind::Deprovision => RunKind::Deprovision,
        };
        let request = StartRunRequest {
            connection: CONNECTION.to_owned(),
            kind: kind.into(),
            idempotency_key: Uuid::now_v7().to_string(),
            ..StartRunRequest::default()
        };
        let started = self.world.runs().start_run(self.world.call(request)).await;
        started.unwrap().into_inner().id.parse().unwrap()
    }

    pub(super) async fn ended(&self, run: RunId) {
        let begun = Instant::now();
        let asked = format!(
            "SELECT count(*) FROM run_plan JOIN run ON run.id = run_id WHERE run_id = '{run}'
                 AND (ended_at IS NOT NULL OR (state = 'planned' AND cancel_requested_at IS NULL))"
        );
        while sql(&self.access, &asked).await == "0" {
            if begun.elapsed() > RUN_LIMIT {
                let found = format!(
                    "SELECT row_to_json(f), row_to_json(p) FROM run_fetch f LEFT JOIN run_plan p USING (run_id)
                     WHERE run_id = '{run}'"
                );
                panic!("run {run} does not end: {}", sql(&self.access, &found).await);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Which runs the next delta goes on from.
    async fn cursors(&self) -> BTreeMap<String, RunId> {
        let found = rows(
            &self.access,
            &format!(
                "SELECT json_build_object('of', resource, 'run', run_id) AS row FROM delta_cursor
                 JOIN connection ON connection.id = connection_id WHERE organization_id = '{}'",
                self.world.organization
            ),
        )
        .await;
        let cursor = |row: &Value| {
            let run = row["run"].as_str().unwrap().parse().unwrap();
            (row["of"].as_str().unwrap().to_owned(), run)
        };
        found.iter().map(cursor).collect()
    }

    /// Whom a run that was broken off had come to.
    pub(super) async fn reached(&self, run: RunId) -> BTreeSet<ObjectId> {
        let found = rows(
            &self.access,
            &format!(
                "SELECT to_json(d.object_id) AS row FROM decision d JOIN run_page p
                     ON p.run_id = d.run_id AND p.number = d.page
                 WHERE d.run_id = '{run}' AND p.applied_at IS NOT NULL AND NOT d.late AND d.object_id IS NOT NULL"
            ),
        )
        .await;
        found
            .iter()
            .map(|id| id.as_str().unwrap().parse().unwrap())
            .collect()
    }

    /// The counting rule, from what the API says.
    pub(super) async fn check_counts(&self, run: RunId) {
        let run = self.world.get_run(&run.to_string()).await;
        let counts = harness::runs::counts(&run);
        let told: u32 = outcomes(&counts).iter().map(|(_, count)| count).sum();
        assert_eq!(
            counts.seen + counts.gone,
            told,
            "seen + gone must add up: {run:#?}"
        );
    }
}

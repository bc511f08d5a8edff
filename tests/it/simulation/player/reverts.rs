//! Taking runs back.

use std::collections::BTreeSet;

use contracts::v1::RevertRunRequest;
use domain::id::{ObjectId, RunId};
use tonic::Code;

use super::Player;
use crate::oracle::register::Register;
use crate::oracle::undo::Past;
use crate::simulation::invariants::{self, End};
use crate::simulation::told::Went;

/// Runs that are remembered.
const REMEMBERED: usize = 4;

impl Player<'_> {
    /// Remembers a run that was applied, to take it back one day.
    pub(super) fn remember(&mut self, run: RunId, before: Register, after: Register) {
        self.past.push(Past { run, before, after });
        if self.past.len() > REMEMBERED {
            self.past.remove(0);
        }
    }

    /// Takes the n-th latest run back, or what it did to one person.
    pub(super) async fn revert(&mut self, which: u8, who: Option<u8>) {
        let Some(past) = self.past.iter().rev().nth(usize::from(which)).cloned() else {
            return;
        };
        let who: Option<ObjectId> = who.map(|who| self.person(who).parse().unwrap());
        let request = RevertRunRequest {
            run_id: past.run.to_string(),
            object_ids: who.iter().map(ToString::to_string).collect(),
            ..RevertRunRequest::default()
        };
        let now = self.register().await;
        let revert: RunId = match self.world.try_revert(request).await {
            Ok(run) => run.id.parse().unwrap(),
            Err(status) => {
                println!("  refused: {}", status.message());
                let nothing = who.is_some_and(|who| !past.concerns(&who));
                let forgotten = status.message().contains("not kept in detail any more");
                assert!(
                    forgotten || nothing && status.code() == Code::InvalidArgument,
                    "run {} can't be taken back: {status:?}",
                    past.run
                );
                return;
            }
        };
        self.ended(revert).await;
        let went = Went::load(&self.access, revert).await;
        println!("  {revert} {} takes back {} {}", went.state, past.run, went.why);
        assert_eq!(went.state, "finished", "{}", went.why);
        let only: Option<BTreeSet<ObjectId>> = who.map(|who| [who].into());
        let should = past.taken_back(&now, only.as_ref());
        let after = self.register().await;
        let when = format!("after run {} was taken back by {revert}", past.run);
        after.assert_is_as(&should, &when);
        invariants::whole(&now, &after);
        self.check_counts(revert).await;
        let end = End {
            state: "finished",
            removed: false,
        };
        invariants::told(self.site, &self.world, revert, end).await;
        self.moved();
        self.remember(revert, now, after);
    }
}

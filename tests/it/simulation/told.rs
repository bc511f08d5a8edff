//! What a run says that it read, held against what there was to be read.

use std::collections::{BTreeMap, BTreeSet};

use domain::decision::BroughtIn;
use domain::id::{ObjectId, RunId};
use domain::managers::Managers;
use local::postgres::Access;
use serde_json::Value;

use crate::oracle::register::rows;
use crate::oracle::{Directory, Oracle, Told};

/// Of a page: users asked for by hand, and managers brought in.
const MANUAL: i64 = 5;
const MANAGERS: i64 = 7;

/// How a run went, as it is stored.
#[derive(Clone, Debug)]
pub struct Went {
    /// Finished, planned, failed, cancelled.
    pub state: String,
    /// Whether it read changes only.
    pub delta: bool,
    /// Why not, if it was asked to; or why it failed.
    pub why: String,
    /// Whether the end was proved.
    pub proved: bool,
    pages: Vec<(i64, BTreeSet<ObjectId>)>,
}

impl Went {
    /// Asks the database.
    pub async fn load(access: &Access, run: RunId) -> Self {
        let found = rows(
            access,
            &format!(
                "SELECT json_build_object('state', p.state, 'delta', f.delta, 'proved', f.proved,
                     'why', concat_ws('; ', f.reason, f.unproved_reason, f.error, p.error)) AS row
                 FROM run_plan p LEFT JOIN run_fetch f USING (run_id) WHERE p.run_id = '{run}'"
            ),
        )
        .await;
        let pages = rows(
            access,
            &format!(
                "SELECT json_build_object('source', g.source, 'seen', to_json(g.seen)) AS row
                 FROM run_page g JOIN run_plan p USING (run_id, attempt) WHERE g.run_id = '{run}' AND g.number > 0"
            ),
        )
        .await;
        let of = &found[0];
        Self {
            state: of["state"].as_str().unwrap().to_owned(),
            delta: of["delta"] == true,
            proved: of["proved"] == true,
            why: of["why"].as_str().unwrap_or_default().to_owned(),
            pages: pages.iter().map(page).collect(),
        }
    }

    /// What the oracle is told in its turn. Fails where the run did not read what it had to.
    pub fn told(
        &self,
        now: &Directory,
        since: Option<Directory>,
        oracle: &Oracle,
        asked: Option<&BTreeSet<ObjectId>>,
    ) -> Told {
        let mut told = Told {
            delta: self.delta,
            proved: self.proved,
            ..Told::default()
        };
        let mut managers = BTreeSet::new();
        for (source, seen) in &self.pages {
            told.seen.extend(seen);
            match *source {
                MANUAL => told
                    .brought_in
                    .extend(seen.iter().map(|id| (*id, BroughtIn::ByHand))),
                MANAGERS => managers.extend(seen.iter().copied()),
                _ => {}
            }
        }
        let by_hand = !told.brought_in.is_empty();
        told.brought_in
            .extend(managers.iter().map(|id| (*id, BroughtIn::AsManager)));
        let everyone = now.objects();
        // Of one that was ended, not every page that was read has come to be decided.
        if by_hand || self.state == "cancelled" {
            told.since = since.unwrap_or_default();
            return told;
        }
        if let Some(since) = since {
            let must = since_then(now, &since, asked);
            let missed: Vec<_> = must
                .difference(&told.seen)
                .map(|id| format!("{id}, who was {}, and is {}", since.shown(id), now.shown(id)))
                .collect();
            assert!(missed.is_empty(), "the delta did not tell of {missed:#?}");
            told.since = since;
        } else if self.proved {
            let missed: Vec<_> = everyone.symmetric_difference(&told.seen).collect();
            assert!(
                missed.is_empty(),
                "a full run reads everyone, and nobody else: {missed:?}"
            );
            assert_eq!(
                managers,
                to_bring_in(now, oracle, asked),
                "managers that were brought in"
            );
        } else {
            let strangers: Vec<_> = told.seen.difference(&everyone).collect();
            assert!(strangers.is_empty(), "nobody has these: {strangers:?}");
        }
        told
    }
}

fn page(row: &Value) -> (i64, BTreeSet<ObjectId>) {
    let seen = row["seen"].as_array().unwrap().iter();
    (
        row["source"].as_i64().unwrap(),
        seen.map(|id| id.as_str().unwrap().parse().unwrap()).collect(),
    )
}

/// Whom a delta must tell of: who has changed, and who belongs to other groups than before.
fn since_then(now: &Directory, since: &Directory, asked: Option<&BTreeSet<ObjectId>>) -> BTreeSet<ObjectId> {
    let mut must = now.changed_since(since);
    if let Some(asked) = asked {
        let moved = now
            .objects()
            .into_iter()
            .filter(|id| now.is_present(id) && now.memberships(id, asked) != since.memberships(id, asked));
        must.extend(moved);
    }
    must
}

/// Whom a full run has to bring in as managers: whoever somebody in scope reports to, straight or through others who are
/// out of scope, is there, out of scope, and has not been brought in before.
fn to_bring_in(now: &Directory, oracle: &Oracle, asked: Option<&BTreeSet<ObjectId>>) -> BTreeSet<ObjectId> {
    let rules = oracle.rules();
    if Managers::of(&rules.mappings).is_none() {
        return BTreeSet::new();
    }
    let everyone = Told {
        proved: true,
        seen: now.objects(),
        ..Told::default()
    };
    let reading = now.read(&everyone, oracle, asked);
    let mut outside: BTreeMap<ObjectId, Option<ObjectId>> = BTreeMap::new();
    let mut wanted: Vec<ObjectId> = Vec::new();
    for user in reading.users.iter().filter(|user| now.is_present(&user.id)) {
        let manager = user.value(domain::attribute::Attribute::Manager);
        let manager = manager.map(|id| id.parse().expect("an object id"));
        if rules.scope(user).1.is_some() {
            wanted.extend(manager);
        } else {
            outside.insert(user.id, manager);
        }
    }
    let mut found = BTreeSet::new();
    while let Some(manager) = wanted.pop() {
        if let Some(above) = outside.get(&manager)
            && found.insert(manager)
        {
            wanted.extend(above);
        }
    }
    found.retain(|id| {
        oracle
            .link(id)
            .is_none_or(|link| link.account.is_none() || link.brought_in == BroughtIn::ByCriteria)
    });
    found
}

//! What a connection decides by, as it was when the run's plan began.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::account::Kind;
use domain::brake::Brake;
use domain::decide::Rules;
use domain::id::{ConnectionId, OrganizationId, RunId};
use domain::leaver::{Policies, Returning};
use domain::mapping::Mapping;
use domain::never_touch::NeverTouch;
use store::connection::FirstRun;
use store::{Tx, connection, custom_field, mapping, never_touch};

use crate::error::Error;

/// Everything that deciding one run needs beside its objects.
#[derive(Debug)]
pub struct RunRules {
    /// Whose run it is.
    pub organization: OrganizationId,
    /// What decides, for each kind of record that there are mappings to: accounts first.
    pub kinds: Vec<Rules>,
    /// What is done about leavers.
    pub policies: Policies,
    /// Whom no sync touches (B18).
    pub never_touch: NeverTouch,
    /// When its removals are held.
    pub brake: Brake,
    /// What a first run does.
    pub first_run: FirstRun,
    /// Tells these rules from others. Mixed into every remembered hash, so that changed rules decide everyone anew.
    pub fingerprint: u64,
}

/// The rules of the runs in work. Bounded: a run that was pushed out is loaded again.
#[derive(Clone, Debug, Default)]
pub struct Known(Arc<Mutex<HashMap<RunId, Arc<RunRules>>>>);

const MOST: usize = 256;

impl Known {
    /// The rules of a run, if they are known here.
    pub fn get(&self, run: RunId) -> Option<Arc<RunRules>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&run)
            .cloned()
    }

    /// Remembers the rules of a run.
    pub fn put(&self, run: RunId, rules: RunRules) -> Arc<RunRules> {
        let rules = Arc::new(rules);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(run, Arc::clone(&rules));
        rules
    }
}

/// Loads a connection's rules as they are now.
pub async fn load(tx: &mut Tx, id: ConnectionId) -> Result<RunRules, Error> {
    let row = connection::find(tx.connection(), id)
        .await?
        .ok_or_else(|| Error::Rules("the connection is not there any more".to_owned()))?;
    let custom = custom_field::list(tx.connection(), row.organization).await?;
    let mappings: Vec<Mapping> = mapping::of_connection(tx.connection(), id)
        .await?
        .iter()
        .filter_map(mapping::Mapping::rules)
        .map(|rules| Mapping {
            custom: custom.clone(),
            ..rules
        })
        .collect();
    if mappings.is_empty() {
        return Err(Error::Rules(format!(
            "the connection {} has no mapping with target accounts or people; add one with `rollcall apply`",
            row.name
        )));
    }
    let never_touch = never_touch::of_connection(tx.connection(), row.organization, id).await?;
    let of_kind = |kind: Kind| Rules {
        connection: id,
        kind,
        mappings: mappings
            .iter()
            .filter(|mapping| mapping.target.kind() == kind)
            .cloned()
            .collect(),
        policies: row.leavers,
        never_touch: never_touch.clone(),
    };
    let mut kinds: Vec<Rules> = Kind::ALL.map(of_kind).into();
    kinds.retain(|rules| !rules.mappings.is_empty());
    let fingerprint = contracts::observed::hash(format!("{kinds:?} {:?}", row.leavers).as_bytes());
    Ok(RunRules {
        organization: row.organization,
        kinds,
        policies: row.leavers,
        never_touch,
        brake: row.brake,
        first_run: row.first_run,
        fingerprint,
    })
}

impl RunRules {
    /// The same for a run that a person asked for by hand: whoever is named and is back can be used again, whatever the
    /// policy says. What it remembers of them is as other runs remember it.
    #[must_use]
    pub fn by_hand(mut self) -> Self {
        self.policies.returning = Returning::Reactivate;
        for rules in &mut self.kinds {
            rules.policies.returning = Returning::Reactivate;
        }
        self
    }

    /// The hash to look an object up by. Never 0, which means "decide anew".
    pub fn mix(&self, hash: u64) -> u64 {
        match hash ^ self.fingerprint {
            0 => 1,
            mixed => mixed,
        }
    }
}

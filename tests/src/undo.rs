//! Reverts, and the register before and after.

use std::collections::BTreeMap;

use contracts::v1::{RevertRunRequest, Run, RunState};
use serde_json::Value;
use tonic::Status;
use uuid::Uuid;

use crate::site::Site;
use crate::world::World;

/// What an organization's register says: accounts and links. Versions, times and hashes aside, which grow and are forgotten.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    accounts: BTreeMap<String, Value>,
    links: BTreeMap<String, Value>,
}

/// Differences that are shown.
const SHOWN: usize = 8;

impl Snapshot {
    /// As it is now.
    pub async fn of(site: &Site, organization: Uuid) -> Self {
        let rows = async |sql: String| -> BTreeMap<String, Value> {
            let answer = site
                .sql(&format!(
                    "SELECT coalesce(json_object_agg(key, row), '{{}}') FROM ({sql}) AS found"
                ))
                .await;
            serde_json::from_str(&answer).unwrap()
        };
        Self {
            accounts: rows(format!(
                "SELECT id::text AS key, to_jsonb(a) - 'version' - 'updated_at' AS row FROM account a
                 WHERE organization_id = '{organization}'"
            ))
            .await,
            links: rows(format!(
                "SELECT concat_ws(' ', connection_id, object_id, target) AS key, to_jsonb(l) - 'hash' AS row
                 FROM link l WHERE organization_id = '{organization}' AND account_id IS NOT NULL"
            ))
            .await,
        }
    }

    /// Fails unless `now` is as it was then, but for records that were made since and are deleted.
    pub fn assert_is_back(&self, now: &Self, when: &str) {
        let mut found = Vec::new();
        for (id, row) in &now.accounts {
            let unmade = (&row["status"], &row["deactivated_for"], &row["login_key"]);
            let unmade = unmade == (&Value::from(3), &Value::from(0), &Value::Null);
            if !self.accounts.contains_key(id) && !unmade {
                found.push(format!("account {id} is still there: {row}"));
            }
        }
        for (which, then, now) in [
            ("account", &self.accounts, &now.accounts),
            ("link", &self.links, &now.links),
        ] {
            for (id, then) in then {
                let now = now.get(id).unwrap_or(&Value::Null);
                if then != now {
                    found.push(format!("{which} {id}: {}", differences(then, now)));
                }
            }
        }
        for (id, row) in &now.links {
            if !self.links.contains_key(id) {
                found.push(format!("link {id} is still there: {row}"));
            }
        }
        let count = found.len();
        found.truncate(SHOWN);
        assert!(count == 0, "{when}: {count} differences\n{}", found.join("\n"));
    }
}

fn differences(then: &Value, now: &Value) -> String {
    let Some(columns) = then.as_object() else {
        return format!("{then} → {now}");
    };
    let differ = columns
        .iter()
        .filter(|(column, then)| now.get(column.as_str()) != Some(then));
    let told: Vec<String> = differ
        .map(|(column, then)| {
            format!(
                "{column}: was {then}, is {}",
                now.get(column.as_str()).unwrap_or(&Value::Null)
            )
        })
        .collect();
    told.join(", ")
}

impl World {
    /// The register as it is now.
    pub async fn snapshot(&self, site: &Site) -> Snapshot {
        Snapshot::of(site, self.organization).await
    }

    /// Asks for a run to be taken back.
    pub async fn try_revert(&self, request: RevertRunRequest) -> Result<Run, Status> {
        Ok(self.runs().revert_run(self.call(request)).await?.into_inner())
    }

    /// Takes a run back, to the end, which must be a good one.
    pub async fn revert(&self, run: &Run) -> Run {
        self.revert_of(run, &[]).await
    }

    /// The same of some objects.
    pub async fn revert_of(&self, run: &Run, objects: &[&str]) -> Run {
        let request = RevertRunRequest {
            run_id: run.id.clone(),
            object_ids: objects.iter().map(|object| (*object).to_owned()).collect(),
            ..RevertRunRequest::default()
        };
        let started = self.try_revert(request).await.unwrap();
        let ended = self.ended(&started.id).await;
        assert_eq!(ended.state(), RunState::Finished, "{ended:#?}");
        ended
    }
}

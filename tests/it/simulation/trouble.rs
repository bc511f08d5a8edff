//! What goes wrong during a run.

use std::collections::BTreeMap;
use std::time::Duration;

use entra_sim::{Effect, Fault as Of, Published, RetryAfter, Snapshot, Tenant};
use harness::site::Site;
use harness::world::World;
use local::stack::Service;
use serde_json::{Map, Value, json};

use super::life::{Fault, Trouble};

const LISTING: &str = "/v1.0/users";
const CHANGES: &str = "/v1.0/users/delta*";
const ANY: &str = "/v1.0/users*";
/// Of one unit of a life's moments.
const TICK: Duration = Duration::from_millis(10);

impl Trouble {
    /// Whether a run may fail of it.
    pub const fn may_fail_a_run(self) -> bool {
        matches!(self, Self::Graph(_))
    }

    /// What is arranged before the run begins.
    pub fn prepare(self, tenant: &Tenant) {
        if let Self::Graph(fault) = self {
            fault.arrange(tenant);
        }
    }

    /// What happens while it goes on.
    pub async fn strike(self, site: &mut Site, world: &World, run: &str) {
        match self {
            Self::FetcherDies(after) => dies(site, Service::Fetcher, after).await,
            Self::ReconcilerDies(after) => dies(site, Service::Reconciler, after).await,
            Self::NotifierDies(after) => dies(site, Service::Notifier, after).await,
            Self::ApiDies(after) => dies(site, Service::Api, after).await,
            Self::NatsDies(after) => {
                moment(after).await;
                let nats = site.stack_mut().nats().unwrap();
                nats.kill();
                nats.restart().await.unwrap();
            }
            Self::PostgresDies(after) => {
                moment(after).await;
                let postgres = site.stack_mut().postgres().unwrap();
                postgres.kill();
                postgres.restart().await.unwrap();
            }
            Self::Cancel(after) => {
                moment(after).await;
                // It may have ended by itself, or nobody may be there to hear it.
                drop(world.cancel(run).await);
            }
            Self::Graph(_) => {}
        }
    }
}

/// The moments of dying are what is tried here; nothing is waited for.
async fn moment(ticks: u8) {
    tokio::time::sleep(TICK * u32::from(ticks)).await;
}

async fn dies(site: &mut Site, service: Service, after: u8) {
    moment(after).await;
    site.stack_mut().kill(service, 1).unwrap();
    site.stack_mut().spawn(service, 1).unwrap();
}

impl Fault {
    fn arrange(self, tenant: &Tenant) {
        let fault = match self {
            Self::Throttles => Of::on(ANY, status(429)).times(2),
            Self::IsAway => Of::on(ANY, status(503)).times(2),
            // Who is counted is still told: a list that says nothing of its end would be believed otherwise.
            Self::Refuses => {
                tenant.fault(Of::on(LISTING, status(403)));
                Of::on(CHANGES, status(403))
            }
            Self::TellsHalf => {
                let users = tenant.users();
                Of::on(LISTING, listing(&users[..users.len() / 2]))
            }
            Self::TellsNobody => Of::on(LISTING, listing(&[])),
            Self::Resync(gone) => Of::on(CHANGES, Effect::Resync { gone }).times(1),
            Self::ExpiredPage => Of::on(CHANGES, Effect::ExpiredPageToken)
                .query("$skiptoken")
                .times(1),
            Self::Repeats => Of::on(CHANGES, Effect::Duplicates { rows: 3 }),
            Self::Reverses => Of::on(CHANGES, Effect::Reversed),
            Self::Replays => Of::on(CHANGES, Effect::Replay { changes: 12 }).times(1),
            Self::ManagersApart => Of::on(CHANGES, Effect::RelationRows),
            Self::EmptyPage => Of::on(ANY, Effect::EmptyPage).times(1),
            Self::CutsBody => Of::on(ANY, Effect::CutBody).after(1).times(1),
            Self::Malformed => Of::on(ANY, Effect::MalformedJson).after(1).times(1),
            Self::IsSlow => Of::on(ANY, Effect::Delay { milliseconds: 300 }),
        };
        tenant.fault(fault);
    }
}

fn status(status: u16) -> Effect {
    Effect::Status {
        status,
        code: None,
        message: None,
        retry_after: (status == 429).then_some(RetryAfter::Seconds(1)),
    }
}

fn listing(users: &[Snapshot]) -> Effect {
    let row = |user: &Snapshot| {
        let mut row: Map<String, Value> = user.attributes.clone();
        row.insert("id".to_owned(), json!(user.id));
        if let Some(manager) = row.remove("manager") {
            row.insert("manager".to_owned(), json!({ "id": manager }));
        }
        Value::Object(row)
    };
    let rows: Vec<Value> = users.iter().map(row).collect();
    Effect::Published(Published {
        status: 200,
        headers: BTreeMap::new(),
        body: json!({ "value": rows }).to_string().into_bytes(),
    })
}

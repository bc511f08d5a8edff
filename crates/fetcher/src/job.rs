//! A run in this process' hands: what it reads, with what, and how far it has come.

use std::sync::Arc;

use bus::Bus;
use domain::account::Kind;
use domain::criteria::Criteria;
use domain::managers::Managers;
use graph::{DeltaLink, Graph};
use service::Clock;
use store::Store;
use store::connection::Connection;
use store::delta_cursor::DeltaCursor;
use store::run::Run;
use store::run_fetch::{Cursor, GroupsRead, LastFull, Outcome};

use crate::directory::Directories;
use crate::failure::FetchError;
use crate::groups::Wanted;
use crate::kind;
use crate::lease::Lease;
use crate::memberships::Memberships;
use crate::metrics::Metrics;
use crate::pipeline::{Outlet, Pipeline, Totals};
use crate::status::Steps;

/// A run in this process' hands.
pub struct Job {
    /// The run.
    pub run: Run,
    /// Its connection.
    pub connection: Connection,
    /// The name of what it signs in with.
    pub credential: String,
    /// The kinds of records that its mappings bring users in as, and whom those take in: changes must tell that.
    pub criteria: Vec<(Kind, Vec<Criteria>)>,
    /// What is wanted of groups, if anything is.
    pub groups: Option<Wanted>,
    /// Who looks for managers to bring in; none where nobody is to be (I5).
    pub managers: Option<Managers>,
    /// Its directory; the calls are counted with the lease.
    pub graph: Graph,
    /// The hold on it.
    pub lease: Arc<Lease>,
    /// Where the connection's last delta ended.
    pub cursor: Option<DeltaCursor>,
    /// The last full reading.
    pub last_full: Option<LastFull>,
    /// Why a delta reads everything while the connection is in quarantine.
    pub quarantine: Option<&'static str>,
    /// Opens and seals delta links.
    pub directories: Arc<Directories>,
    /// The database.
    pub store: Store,
    /// The bus.
    pub bus: Bus,
    /// The time.
    pub clock: Clock,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// What went well so far, for the connection's state.
    pub steps: Arc<Steps>,
}

impl Job {
    /// A way for the pages of the present attempt. Listed users are given these memberships on the way.
    pub async fn pipeline(&self, memberships: Option<Arc<Memberships>>) -> Pipeline {
        let outlet = Outlet {
            bus: self.bus.clone(),
            run: self.run.id,
            attempt: self.lease.attempt().await,
            counts: Arc::clone(&self.lease.counts),
            metrics: Arc::clone(&self.metrics),
            memberships,
        };
        Pipeline::start(outlet, self.managers.clone())
    }

    /// Seals a delta link that was taken at this moment.
    pub fn seal(
        &self,
        link: &DeltaLink,
        taken_at: chrono::DateTime<chrono::Utc>,
    ) -> Result<Cursor, FetchError> {
        Ok(self.directories.seal_link(link, self.connection.id, taken_at)?)
    }

    /// The end of a reading that got everything.
    pub fn outcome(
        &self,
        totals: Totals,
        cursor: Option<Cursor>,
        groups: Option<GroupsRead>,
        doubt: Option<String>,
    ) -> Outcome {
        let mut progress = self.lease.progress();
        progress.pages = totals.pages;
        progress.records = totals.records;
        Outcome {
            progress,
            unproved_reason: doubt,
            repeats: totals.repeats,
            cursor,
            selection: kind::selection(),
            groups,
        }
    }
}

//! All measurements with one number of users: floor and Rollcall in turns.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::ensure;
use graph::Graph;
use store::Store;

use crate::database::{Database, RowsWritten};
use crate::floor::{self, Work};
use crate::machine;
use crate::product::{Product, Run};
use crate::tenant::Tenant;

/// Users that change before each delta.
pub const DELTA: u32 = 1_000;
/// Of how many users one changes before a changed re-sync.
const CHANGED_OF: u32 = 100;
/// The floor's database for re-syncs.
const FLOOR: &str = "floor_resync";

/// What to measure.
#[derive(Clone, Copy)]
pub struct Plan {
    /// Users in the tenant.
    pub users: u32,
    /// How often.
    pub rounds: usize,
    /// Whether Rollcall has mappings, clauses and a group to decide by.
    pub rules: bool,
    /// Whether the floors are measured.
    pub floor: bool,
    /// Whether Rollcall is.
    pub product: bool,
}

/// What one turn took.
#[derive(Clone, Debug)]
pub struct Turn {
    /// From its beginning to its end.
    pub took: Duration,
    /// CPU-seconds by process.
    pub cpu: BTreeMap<String, f64>,
}

/// The turns of one measurement, in the order in which they were taken.
#[derive(Clone, Debug, Default)]
pub struct Turns {
    /// The floor's.
    pub floor: Vec<Turn>,
    /// Rollcall's.
    pub product: Vec<Turn>,
    /// Rows that all of Rollcall's turns wrote; of an import, those of the last one.
    pub rows: Option<RowsWritten>,
}

/// The measurements with one number of users.
pub struct Series {
    /// Users in the tenant.
    pub users: u32,
    /// Into an empty register.
    pub import: Turns,
    /// Everything again, nobody changed.
    pub unchanged: Turns,
    /// Everything again, one in a hundred changed.
    pub changed: Turns,
    /// A thousand changes, read as changes. It has no floor.
    pub delta: Turns,
    /// The most memory that each service held in any turn, in MiB.
    pub peak_mib: BTreeMap<String, f64>,
    /// Messages that an import put on the bus; 0 when there was none.
    pub messages: u64,
    /// What tables and indexes take on disk after an import, in MiB; 0 when there was none.
    pub database_mib: u64,
}

/// Measures everything.
pub async fn measure(plan: Plan) -> anyhow::Result<Series> {
    say(&format!(
        "{} users, {} rounds: starting PostgreSQL and the tenant",
        plan.users, plan.rounds
    ));
    let bench = Bench {
        plan,
        database: Database::start().await?,
        tenant: Tenant::start(plan.users, plan.rules).await?,
    };
    let users = bench.tenant.users().await?;
    ensure!(
        users == plan.users,
        "the tenant has {users} users instead of {}",
        plan.users
    );
    bench.tenant.render().await?;
    let mut series = Series::new(plan.users);
    let mut product = Box::pin(bench.imports(&mut series)).await?;
    let floor = bench.remembered().await?;
    bench
        .resyncs(&mut series, product.as_mut(), floor.as_ref())
        .await?;
    if let Some(mut product) = product {
        bench.deltas(&mut series, &mut product).await?;
        series.note_peak(&mut product)?;
        product.stop().await?;
    }
    if let Some(floor) = floor {
        floor.close().await;
    }
    bench.tenant.stop().await?;
    bench.database.stop().await?;
    Ok(series)
}

struct Bench {
    plan: Plan,
    database: Database,
    tenant: Tenant,
}

impl Bench {
    /// A fresh database for each turn. Answers the last Rollcall, which goes on with what it has imported.
    async fn imports(&self, series: &mut Series) -> anyhow::Result<Option<Product>> {
        let mut last: Option<(Product, String)> = None;
        for round in 1..=self.plan.rounds {
            if self.plan.floor {
                series.import.floor.push(self.floor_import(round).await?);
            }
            if !self.plan.product {
                continue;
            }
            if let Some((mut product, name)) = last.take() {
                series.note_peak(&mut product)?;
                product.stop().await?;
                self.database.drop(&name).await?;
            }
            let name = product_database(round);
            self.database.create(&name).await?;
            let everyone = if self.plan.rules {
                Some(self.tenant.everyone().await?)
            } else {
                None
            };
            let tenant = (self.tenant.url(), everyone);
            let mut product = Product::start(self.database.url(&name), tenant).await?;
            let messages = product.messages().await?;
            let (turn, run) = self.turn(&mut product, "full").await?;
            let counts = run.counts;
            ensure!(
                counts.added == self.users(),
                "an import of {} users: {counts:?}",
                self.users()
            );
            series.messages = product.messages().await? - messages;
            tell("import", round, "Rollcall", &turn, self.users());
            series.import.product.push(turn);
            last = Some((product, name));
        }
        let Some((product, name)) = last else {
            return Ok(None);
        };
        series.import.rows = Some(self.database.rows_written(&name).await?);
        self.database.tidy(&name).await?;
        series.database_mib = self.database.size_mib(&name).await?;
        Ok(Some(product))
    }

    async fn floor_import(&self, round: usize) -> anyhow::Result<Turn> {
        let name = format!("floor_{round}");
        let connections = u32::try_from(floor::CONNECTIONS)?;
        let store = self.database.create_migrated(&name, connections).await?;
        let turn = self.floor(Work::Import, &store, 0).await?;
        tell("import", round, "floor", &turn, self.users());
        store.close().await;
        self.database.drop(&name).await?;
        Ok(turn)
    }

    /// The floor's database, with what it is to find again.
    async fn remembered(&self) -> anyhow::Result<Option<Store>> {
        if !self.plan.floor {
            return Ok(None);
        }
        let connections = u32::try_from(floor::CONNECTIONS)?;
        let store = self.database.create_migrated(FLOOR, connections).await?;
        floor::run(Work::Remember, &self.graph()?, false, &store).await?;
        self.database.tidy(FLOOR).await?;
        Ok(Some(store))
    }

    async fn resyncs(
        &self,
        series: &mut Series,
        mut product: Option<&mut Product>,
        floor: Option<&Store>,
    ) -> anyhow::Result<()> {
        for changes in [0, self.plan.users / CHANGED_OF] {
            let (title, turns) = match changes {
                0 => ("unchanged", &mut series.unchanged),
                _ => ("1 % changed", &mut series.changed),
            };
            let before = self.rows(product.is_some()).await?;
            for round in 1..=self.plan.rounds {
                if changes > 0 {
                    self.tenant.change(changes).await?;
                }
                if let Some(store) = floor {
                    // It remembers nothing: in the last round as many differ as have ever changed, always the same users.
                    let turn = self.floor(Work::Resync, store, changes).await?;
                    tell(title, round, "floor", &turn, self.users());
                    turns.floor.push(turn);
                }
                if let Some(product) = product.as_deref_mut() {
                    let (turn, run) = self.turn(product, "full").await?;
                    let counts = run.counts;
                    ensure!(
                        counts.updated == u64::from(changes) && counts.added == 0,
                        "a re-sync with {changes} changes: {counts:?}"
                    );
                    tell(title, round, "Rollcall", &turn, self.users());
                    turns.product.push(turn);
                }
            }
            turns.rows = since(before, self.rows(product.is_some()).await?);
        }
        Ok(())
    }

    async fn deltas(&self, series: &mut Series, product: &mut Product) -> anyhow::Result<()> {
        let before = self.rows(true).await?;
        for round in 1..=self.plan.rounds {
            self.tenant.change(DELTA).await?;
            let (turn, run) = self.turn(product, "delta").await?;
            let counts = run.counts;
            ensure!(
                counts.seen == u64::from(DELTA) && counts.updated == counts.seen,
                "a delta of {DELTA} changes: {counts:?}"
            );
            tell("delta", round, "Rollcall", &turn, u64::from(DELTA));
            series.delta.product.push(turn);
        }
        series.delta.rows = since(before, self.rows(true).await?);
        Ok(())
    }

    /// One turn of a floor, which must find so many users that differ.
    async fn floor(&self, work: Work, store: &Store, differ: u32) -> anyhow::Result<Turn> {
        let graph = self.graph()?;
        self.database.settle().await?;
        let before = self.floor_cpu()?;
        let (took, done) = floor::run(work, &graph, self.plan.rules, store).await?;
        let cpu = spent(before, self.floor_cpu()?);
        ensure!(
            (done.users, done.differ) == (self.plan.users as usize, differ as usize),
            "the floor did {done:?} instead of {} users, {differ} of them changed",
            self.users()
        );
        Ok(Turn { took, cpu })
    }

    /// One turn of Rollcall.
    async fn turn(&self, product: &mut Product, kind: &str) -> anyhow::Result<(Turn, Run)> {
        self.database.settle().await?;
        let before = self.product_cpu(product)?;
        let run = product.run(kind).await?;
        let cpu = spent(before, self.product_cpu(product)?);
        let turn = Turn { took: run.took, cpu };
        Ok((turn, run))
    }

    /// With a token of its own, as each run of Rollcall's has.
    fn graph(&self) -> anyhow::Result<Graph> {
        self.tenant.graph()
    }

    async fn rows(&self, product: bool) -> anyhow::Result<Option<RowsWritten>> {
        if !product {
            return Ok(None);
        }
        let name = product_database(self.plan.rounds);
        self.database.rows_written(&name).await.map(Some)
    }

    fn floor_cpu(&self) -> anyhow::Result<BTreeMap<String, f64>> {
        let mut all = self.shared_cpu()?;
        all.insert("floor".to_owned(), machine::cpu_seconds(std::process::id())?);
        Ok(all)
    }

    fn product_cpu(&self, product: &mut Product) -> anyhow::Result<BTreeMap<String, f64>> {
        let mut all = self.shared_cpu()?;
        all.extend(product.cpu_seconds()?);
        Ok(all)
    }

    fn shared_cpu(&self) -> anyhow::Result<BTreeMap<String, f64>> {
        Ok(BTreeMap::from([
            ("PostgreSQL".to_owned(), self.database.cpu_seconds()?),
            ("entra-sim".to_owned(), self.tenant.cpu_seconds()?),
        ]))
    }

    fn users(&self) -> u64 {
        u64::from(self.plan.users)
    }
}

impl Series {
    fn new(users: u32) -> Self {
        Self {
            users,
            import: Turns::default(),
            unchanged: Turns::default(),
            changed: Turns::default(),
            delta: Turns::default(),
            peak_mib: BTreeMap::new(),
            messages: 0,
            database_mib: 0,
        }
    }

    fn note_peak(&mut self, product: &mut Product) -> anyhow::Result<()> {
        for (name, peak) in product.peak_mib()? {
            let most = self.peak_mib.entry(name).or_default();
            *most = most.max(peak);
        }
        Ok(())
    }
}

fn product_database(round: usize) -> String {
    format!("product_{round}")
}

fn since(before: Option<RowsWritten>, after: Option<RowsWritten>) -> Option<RowsWritten> {
    let (before, after) = (before?, after?);
    Some(RowsWritten {
        account: after.account - before.account,
        all: after.all - before.all,
    })
}

fn spent(before: BTreeMap<String, f64>, mut after: BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    for (name, seconds) in before {
        if let Some(now) = after.get_mut(&name) {
            *now -= seconds;
        }
    }
    after
}

/// A line for who waits.
fn tell(what: &str, round: usize, who: &str, turn: &Turn, users: u64) {
    let seconds = turn.took.as_secs_f64();
    let cpu: Vec<String> = turn
        .cpu
        .iter()
        .map(|(name, cpu)| format!("{name} {cpu:.1}"))
        .collect();
    #[expect(clippy::cast_precision_loss, reason = "a rate that people read")]
    let rate = users as f64 / seconds;
    say(&format!(
        "{what} {round}: {who} {seconds:.2} s, {rate:.0} users/s; CPU-seconds: {}",
        cpu.join(", ")
    ));
}

fn say(line: &str) {
    eprintln!("  {line}");
}

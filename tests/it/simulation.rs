//! Pages come in any order, more than once, or not at all: the register is the same as if they had come in order, once.
//!
//! A reader of the test's own publishes them; everything behind it is real.

mod invariants;
mod life;
mod lives;
mod named;
mod player;
mod reader;
mod terms;
mod told;
mod trouble;

use std::collections::BTreeSet;

use domain::id::OrganizationId;
use harness::site::Site;
use harness::world::World;
use local::stack::Service;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::faults::people;
use crate::oracle::register::{Register, assert_run};
use crate::oracle::{Directory, Oracle};
use reader::{Reader, Work};

/// Cases tried; each is a full run and a delta in an organization of its own.
const CASES: u32 = 6;
/// Pages of a run.
const PAGES: usize = 8;
const USERS: u32 = 300;
/// The test is the fetcher, and nobody asks it for anything.
const NO_FETCHER: &str = "http://127.0.0.1:9";

/// How the pages of one run come.
#[derive(Clone, Debug)]
pub struct Coming {
    /// Every page, in the order in which they come.
    order: Vec<usize>,
    /// Pages that come again, each after so many others.
    again: Vec<(usize, usize)>,
    /// A page of a first attempt that never comes. The reading begins anew, and then all do: late ones of the first attempt
    /// in between.
    lost: Option<usize>,
}

fn coming() -> impl Strategy<Value = Coming> {
    let every: Vec<usize> = (0..PAGES).collect();
    (
        Just(every).prop_shuffle(),
        prop::collection::vec((0..PAGES, 0..=PAGES), 0..6),
        prop::option::of(0..PAGES),
    )
        .prop_map(|(order, again, lost)| Coming { order, again, lost })
}

impl Coming {
    /// Page numbers from 0, with their repeats.
    fn sequence(&self) -> Vec<usize> {
        let mut sequence = self.order.clone();
        for (page, place) in &self.again {
            sequence.insert((*place).min(sequence.len()), *page);
        }
        sequence
    }
}

#[test]
fn pages_may_come_in_any_order_more_than_once_or_never() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let site = runtime.block_on(Site::start(
        Site::builder()
            .copies(Service::Fetcher, 0)
            .set(Service::Api, "fetcher.url", NO_FETCHER)
            .copies(Service::Notifier, 0)
            .copies(Service::Reconciler, 2),
    ));
    let config = Config {
        cases: CASES,
        max_shrink_iters: 12,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let cases = (coming(), coming(), any::<u64>());
    let tried = runner.run(&cases, |(full, delta, seed)| {
        runtime.block_on(one_case(&site, &full, &delta, seed));
        Ok(())
    });
    tried.unwrap();
    runtime.block_on(site.stop());
}

async fn one_case(site: &Site, full: &Coming, delta: &Coming, seed: u64) {
    let options = entra_sim::TenantOptions::generate(seed, USERS);
    let world = World::bare(site, options).await;
    world.connect("", people::MAPPING).await;
    people::quarrel(&world.tenant);
    world
        .import(&people::accounts(&Directory::of(&world.tenant)))
        .await;

    let reader = Reader::new(site, &world).await;
    let of = OrganizationId(world.organization);
    let mut oracle = Oracle::new(Register::load(reader.access(), of).await.accounts);
    let mut before: Option<Directory> = None;
    for coming in [full, delta] {
        if before.is_some() {
            people::change(&world.tenant, &mut StdRng::seed_from_u64(seed), 1, true);
        }
        let now = Directory::of(&world.tenant);
        let work = match &before {
            None => Work::everything(&now, PAGES),
            Some(before) => Work::changes(&now, before, &oracle, PAGES),
        };
        let run = reader.read(&work, coming).await;
        let done = oracle.run(work.reading());
        assert_run(reader.access(), run, &done, &oracle).await;
        let register = Register::load(reader.access(), of).await;
        register.assert_is(&oracle, &format!("{coming:?}"));
        before = Some(now);
    }
}

#[test]
fn a_sequence_holds_every_page_and_its_repeats() {
    let coming = Coming {
        order: vec![2, 0, 1],
        again: vec![(1, 0), (2, 9)],
        lost: None,
    };
    let sequence = coming.sequence();
    assert_eq!(sequence, [1, 2, 0, 1, 2]);
    assert_eq!(sequence.into_iter().collect::<BTreeSet<_>>().len(), 3);
}

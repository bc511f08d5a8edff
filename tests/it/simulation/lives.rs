//! Weeks of directory life: random ones, and those that once went wrong.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use harness::moved_clock::MovedClock;
use harness::site::Site;
use local::stack::Service;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use tokio::runtime::Runtime;

use super::life::{Life, life};
use super::player::Player;

/// How long lives are begun in `make test`.
const BUDGET: Duration = Duration::from_secs(8);
/// A stack on which one life comes after the other. It outlives its tests, and is stopped by its watchdogs when the process
/// ends.
struct Stage {
    runtime: Runtime,
    site: Site,
    clock: MovedClock,
}

impl Stage {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let clock = MovedClock::new();
        let settings = [
            (Service::Fetcher, "fetch.lease_seconds", "2"),
            (Service::Fetcher, "fetch.max_takings", "1000"),
            (Service::Fetcher, "fetch.stall_seconds", "20"),
            (Service::Reconciler, "work.ack_wait_seconds", "2"),
            (Service::Reconciler, "work.appliers", "1"),
            (Service::Reconciler, "work.decisions_per_transaction", "1"),
            (Service::Notifier, "sweep.settle_seconds", "1"),
            (Service::Notifier, "smtp.timeout_seconds", "1"),
            (Service::Notifier, "delivery.lease_seconds", "11"),
        ];
        let builder = settings
            .into_iter()
            .fold(Site::builder().durable(), |builder, (service, key, value)| {
                builder.set(service, key, value)
            });
        let site = runtime.block_on(Site::start(clock.of(builder)));
        Self { runtime, site, clock }
    }
}

/// Lives a life; panics when something is not as it must be.
pub fn play(life: &Life) {
    static STAGE: OnceLock<Mutex<Stage>> = OnceLock::new();
    let stage = STAGE.get_or_init(|| Mutex::new(Stage::start()));
    // A life that went wrong leaves a stage on which the next one can be lived.
    let mut stage = stage.lock().unwrap_or_else(PoisonError::into_inner);
    let Stage { runtime, site, clock } = &mut *stage;
    runtime.block_on(async { Player::born(site, clock, life).await.live(life).await });
}

#[test]
fn weeks_of_directory_life_end_as_the_oracle_says() {
    let first = of_environment("ROLLCALL_SOAK_SEED").map(|seed| seed.parse().expect("a number"));
    let time = of_environment("ROLLCALL_SOAK_TIME").map_or(BUDGET, |time| duration(&time));
    let begun = Instant::now();
    let mut seed: u64 = first.unwrap_or(1);
    loop {
        println!("life of SEED={seed}, after {:?}", begun.elapsed());
        one_life(seed);
        seed += 1;
        if begun.elapsed() >= time {
            break;
        }
    }
}

/// The life of a seed; one that fails is made smaller as far as it can be, and told.
fn one_life(seed: u64) {
    let config = Config {
        cases: 1,
        // Each try lives a life: none without being asked for.
        max_shrink_iters: of_environment("ROLLCALL_SOAK_SHRINKS")
            .map_or(0, |shrinks| shrinks.parse().expect("a number")),
        failure_persistence: None,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, random);
    let tried = runner.run(&life(), |life| {
        play(&life);
        Ok(())
    });
    match tried {
        Ok(()) => {}
        Err(TestError::Fail(why, life)) => panic!(
            "the life of SEED={seed} went wrong; made smaller it is\n{}\n{why}",
            rust_text(&life)
        ),
        Err(TestError::Abort(why)) => panic!("the life of SEED={seed} was not lived: {why}"),
    }
}

/// A life as a test would have it.
fn rust_text(life: &Life) -> String {
    format!("{life:?}").replace('[', "vec![")
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test has no chassis to be configured by"
)]
fn of_environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// `90s`, `30m`, `2h`.
fn duration(text: &str) -> Duration {
    let (number, unit) = text.split_at(text.len() - 1);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => panic!("TIME={text}: say 90s, 30m or 2h"),
    };
    let number: u64 = number
        .parse()
        .unwrap_or_else(|_| panic!("TIME={text}: say 90s, 30m or 2h"));
    Duration::from_secs(number * seconds)
}

#[test]
fn times_are_read() {
    assert_eq!(duration("90s"), Duration::from_secs(90));
    assert_eq!(duration("30m"), Duration::from_secs(1_800));
    assert_eq!(duration("2h"), Duration::from_secs(7_200));
}

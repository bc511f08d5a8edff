//! A broker that loses everything under running services: what was in its streams is fetched again.

use contracts::v1::{NoticeKind, Outcome, RunKind, RunState};
use entra_sim::{Effect, Fault, RetryAfter};
use harness::people::{crowd, hire_many, nobody};
use harness::runs::tally;
use harness::site::Site;
use harness::wait::until;
use harness::world::World;
use local::stack::Service;

/// Kills the broker and takes its disk away; another one begins at the same address with nothing.
pub async fn wipe(site: &mut Site) {
    let store = site.stack().home().path("nats").join("jetstream");
    let nats = site.stack_mut().nats().unwrap();
    nats.kill();
    assert!(store.is_dir(), "{}", store.display());
    std::fs::remove_dir_all(&store).unwrap();
    nats.restart().await.unwrap();
}

/// The streams that the broker of a site has.
pub async fn streams(site: &Site) -> Vec<String> {
    let client = async_nats::connect(&site.endpoints().nats_url).await.unwrap();
    let jetstream = async_nats::jetstream::new(client);
    let mut found = Vec::new();
    for name in [bus::streams::RUNS, bus::streams::PAGES, bus::streams::EVENTS] {
        if jetstream.get_stream(name).await.is_ok() {
            found.push(name.to_owned());
        }
    }
    found
}

#[tokio::test]
async fn streams_that_are_lost_are_made_anew_and_runs_in_flight_end_well() {
    let builder = Site::builder().set(Service::Fetcher, "fetch.stall_seconds", "3");
    let mut site = Site::start(builder).await;
    let waiting = World::bare(&site, crowd(600)).await;
    waiting.connect("", "includeDisabled: true").await;
    let reading = World::bare(&site, nobody()).await;
    reading.connect("", "").await;
    hire_many(&reading.tenant, 3);

    // The pages of one run wait on the bus; another run is in the middle of being read.
    site.stack_mut().freeze(Service::Reconciler, 1, true).unwrap();
    let slow = Effect::Status {
        status: 429,
        code: None,
        message: None,
        retry_after: Some(RetryAfter::Seconds(6)),
    };
    reading.tenant.fault(Fault::on("/v1.0/users", slow).times(1));
    let read = waiting.start_run(RunKind::Full).await;
    until("everything is read and waits on the bus", async || {
        let run = waiting.get_run(&read.id).await;
        (run.state() == RunState::Planning).then_some(())
    })
    .await;
    let begun = reading.start_run(RunKind::Full).await;
    until("the other one is being read", async || {
        let run = reading.get_run(&begun.id).await;
        (run.state() == RunState::Fetching).then_some(())
    })
    .await;

    wipe(&mut site).await;
    site.stack_mut().freeze(Service::Reconciler, 1, false).unwrap();
    let run = waiting.ended(&read.id).await;
    assert_eq!(run.state(), RunState::Finished, "{run:#?}");
    let everybody = u32::try_from(waiting.tenant.users().len()).unwrap();
    assert_eq!(tally(&run), [(Outcome::Added, everybody)]);
    waiting.check_register().await;
    let run = reading.ended(&begun.id).await;
    assert_eq!(run.state(), RunState::Finished, "{run:#?}");
    assert_eq!(tally(&run), [(Outcome::Added, 3)]);

    until("all streams are there", async || {
        (streams(&site).await.len() == 3).then_some(())
    })
    .await;
    // Everybody hears everybody: a run, its notice, and a live view, by the new streams.
    for (world, first) in [(&waiting, &read.id), (&reading, &begun.id)] {
        world.notice(first, NoticeKind::RunFinished).await;
        let delta = world.delta().await;
        assert_eq!(delta.reason, "", "{delta:#?}");
        let notices = world.notices().await.notices;
        let told = notices.iter().filter(|notice| &notice.run_id == first).count();
        assert_eq!(told, 1, "{notices:#?}");
    }
    site.stop().await;
}

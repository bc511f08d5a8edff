//! Following a run as a stream.

use contracts::v1::{GetRunRequest, Outcome, RunKind, RunState};
use harness::people::hire_many;
use harness::runs::{counts, tally};
use harness::world::World;
use tonic::Code;
use uuid::Uuid;

#[tokio::test]
async fn a_watched_run_is_told_forward_and_ends_with_its_end() {
    let world = World::start().await;
    hire_many(&world.tenant, 5);
    let run = world.start_run(RunKind::Full).await;
    let told = world.watched(&run.id).await;

    assert!(told.iter().all(|one| one.id == run.id));
    let forward = told.is_sorted_by_key(|one| one.state);
    assert!(
        forward,
        "{:?}",
        told.iter().map(contracts::v1::Run::state).collect::<Vec<_>>()
    );
    assert!(told.is_sorted_by_key(|one| one.progress.unwrap_or_default().records_read));
    let last = told.last().unwrap();
    assert_eq!(last.state(), RunState::Finished, "{last:#?}");
    assert_eq!((counts(last).seen, tally(last)), (5, vec![(Outcome::Added, 5)]));
    assert_eq!(*last, world.get_run(&run.id).await);

    // Who comes late is told the end at once.
    let late = world.watched(&run.id).await;
    assert_eq!(late.len(), 1, "{late:#?}");
    assert_eq!(late[0], *last);
}

#[tokio::test]
async fn watching_what_is_not_there_ends_with_not_found() {
    let world = World::start().await;
    let request = GetRunRequest {
        run_id: Uuid::now_v7().to_string(),
    };
    let refused = match world.runs().watch_run(world.call(request)).await {
        Err(status) => status,
        Ok(stream) => stream.into_inner().message().await.unwrap_err(),
    };
    assert_eq!(refused.code(), Code::NotFound, "{refused:?}");
}

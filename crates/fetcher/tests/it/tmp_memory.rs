use store::run::Kind;
use crate::world::World;
#[tokio::test]
async fn memory() {
    let world = World::of(60_000).await;
    let fetcher = world.fetcher().await;
    let run = world.request(Kind::Full).await;
    loop { let f = world.fetch_where(run, |_| true).await; if f.state != store::run_fetch::State::Fetching { break } tokio::time::sleep(std::time::Duration::from_millis(200)).await; };
    world.finish(run).await;
    let all = world.tenant.users();
    for (n, changes) in [(0, 49_000usize), (0, 55_000)] {
        for u in &all[n..changes] { world.tenant.update(&u.id, "city", serde_json::json!("Bergen")).unwrap(); }
        let began = std::time::Instant::now();
        let run = world.request(Kind::Delta).await;
        let fetch = loop { let f = world.fetch_where(run, |_| true).await; if f.state != store::run_fetch::State::Fetching { break f } tokio::time::sleep(std::time::Duration::from_millis(200)).await; };
        let status = std::fs::read_to_string(format!("/proc/{}/status", fetcher.process.id().unwrap())).unwrap();
        eprintln!("{:?} {:?} {:?} {:?}", began.elapsed(), fetch.reason, fetch.progress, status.lines().filter(|l| l.starts_with("VmHWM") || l.starts_with("VmRSS")).collect::<Vec<_>>());
        world.sql("UPDATE run_fetch SET state = 'fetched'").await;
        world.sql(&format!("INSERT INTO run_plan (run_id, organization_id, connection_id, attempt, state, preview, rules_fingerprint, created_at) SELECT id, organization_id, connection_id, 2, 'finished', false, 0, created_at FROM run WHERE id = '{run}'")).await;
    }
}

//! Reads a tenant as a full run does, and tells what it saw and what it cost:
//! `cargo run --release -p rollcall-graph --example read_tenant -- LOGIN_URL GRAPH_URL TENANT_ID CLIENT_ID < SECRET`.

use std::error::Error;
use std::io;
use std::time::Instant;

use rollcall_graph::{AppCredential, Cloud, Context, Endpoints, Graph, Limits, Pages, Reading, Transport};
use secrecy::SecretString;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [login, graph, tenant, client] = arguments.as_slice() else {
        return Err(
            "expected LOGIN_URL GRAPH_URL TENANT_ID CLIENT_ID, and the secret on standard input".into(),
        );
    };
    let secret = io::read_to_string(io::stdin())?;
    let credential = AppCredential {
        tenant: tenant.parse()?,
        client_id: client.parse()?,
        secret: SecretString::from(secret.trim()),
        other: None,
    };
    let endpoints = Endpoints::new(Cloud::Custom, Some(login), Some(graph), None)?;
    let context = Context::default();
    let graph =
        Graph::new(&Transport::new(Limits::default())?, endpoints, credential).for_run(context.clone());
    if let Err(error) = read(&graph).await {
        println!("{}", error.advice());
        return Err(error.into());
    }
    println!("{:#?}", context.stats.snapshot());
    Ok(())
}

async fn read(graph: &Graph) -> Result<(), rollcall_graph::Error> {
    println!("{:?}", graph.organization().await?);
    for probe in graph.probe(&Reading::USERS).await {
        println!("{}: {:?}", probe.reading.title(), probe.result);
    }
    let latest = graph.latest_delta_link().await?;
    println!("counted: {:?}", graph.count_users().await?);
    tell("users", graph.users()).await?;
    tell("deleted users", graph.deleted_users()).await?;
    let mut round = graph.changes(&latest)?;
    let mut rows = 0;
    while let Some(page) = round.next().await? {
        rows += page.users()?.users.len();
    }
    println!("changes since: {rows} rows in {} pages", round.read());
    tell_groups(graph).await
}

/// Groups, where the app may read them.
async fn tell_groups(graph: &Graph) -> Result<(), rollcall_graph::Error> {
    for probe in graph.probe(&Reading::GROUPS).await {
        println!("{}: {:?}", probe.reading.title(), probe.result);
        if probe.result.is_err() {
            return Ok(());
        }
    }
    let began = Instant::now();
    let mut round = graph.group_changes(None)?;
    let (mut rows, mut members, mut bad) = (0, 0, 0);
    while let Some(page) = round.next().await? {
        let found = page.groups()?;
        rows += found.groups.len();
        members += found
            .groups
            .iter()
            .map(|group| group.members.len())
            .sum::<usize>();
        let problems = found.groups.iter().filter(|group| group.problem.is_some());
        bad += problems.count() + found.unusable.len();
    }
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "groups: {rows} rows with {members} members, {bad} bad, in {} pages and {seconds:.2} s",
        round.read()
    );
    let mut round = graph.group_changes(round.end().as_ref())?;
    let mut rows = 0;
    while let Some(page) = round.next().await? {
        rows += page.groups()?.groups.len();
    }
    println!("changes of groups since: {rows} rows in {} pages", round.read());
    Ok(())
}

async fn tell(what: &str, mut pages: Pages) -> Result<(), rollcall_graph::Error> {
    let began = Instant::now();
    let (mut good, mut bad) = (0, 0);
    while let Some(page) = pages.next().await? {
        let records = page.users()?;
        let problems = records.users.iter().filter(|user| user.problem.is_some()).count();
        good += records.users.len() - problems;
        bad += problems + records.unusable.len();
    }
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{what}: {good} good, {bad} bad, in {} pages and {seconds:.2} s",
        pages.read()
    );
    Ok(())
}

//! The demo tenant: set up through the command line as a person would, imported, and counted apart from Rollcall.

use anyhow::{Context as _, bail, ensure};
use local::stack::Stack;
use local::stack::directory::{CLIENT_ID, CLIENT_SECRET, TENANT_ID};
use serde_json::Value;
use std::time::Duration;

use crate::run;

/// The demo's documents, with the simulator's address left open.
const DOCUMENTS: &str = include_str!("../../../deploy/demo.yaml");
/// The connection that they make.
pub const CONNECTION: &str = "contoso";
/// What stands for the simulator's address.
const OPEN: &str = "ENTRA_SIM_URL";
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Applies the documents and runs a full import to its end; returns the run's id.
pub async fn import(stack: &Stack) -> anyhow::Result<String> {
    let file = stack.home().path("demo.yaml");
    run::keep(&file, &DOCUMENTS.replace(OPEN, &stack.endpoints().entra_sim))?;
    let cli = stack.cli()?.env("CONTOSO_SECRET", CLIENT_SECRET);
    let file = file.to_str().context("the home's path is not UTF-8")?;
    println!("rollcall apply -f {file}");
    ensure!(
        cli.show(&["apply", "-f", file]).await? == 0,
        "the demo's documents were refused"
    );
    println!("rollcall run start {CONNECTION} --kind full --wait");
    let started = cli
        .json_with_progress(&["run", "start", CONNECTION, "--kind", "full", "--wait"])
        .await?;
    match started["id"].as_str() {
        Some(id) => Ok(id.to_owned()),
        None => bail!("`rollcall run start` did not name its run: {started}"),
    }
}

/// Prints what the command line says of a run.
pub async fn print_summary(stack: &Stack, id: &str) -> anyhow::Result<()> {
    println!("rollcall run show {id}");
    ensure!(
        stack.cli()?.show(&["run", "show", id]).await? == 0,
        "the run could not be shown"
    );
    Ok(())
}

/// How many users the directory says it has, in use and deleted. Asked of it directly, over Graph's own interface.
pub struct Headcount {
    pub users: u64,
    pub deleted: u64,
}

impl Headcount {
    /// Counts at the simulator.
    pub async fn take(stack: &Stack) -> anyhow::Result<Self> {
        let url = &stack.endpoints().entra_sim;
        let client = reqwest::Client::builder().timeout(ANSWER_LIMIT).build()?;
        let token = token(&client, url).await?;
        let users = text(&client, &format!("{url}/v1.0/users/$count"), &token).await?;
        let users = users
            .trim_start_matches('\u{feff}')
            .trim()
            .parse()
            .context("the users' count is no number")?;
        let mut deleted = 0;
        let mut next = Some(format!(
            "{url}/v1.0/directory/deletedItems/microsoft.graph.user?$select=id&$top=999"
        ));
        while let Some(page) = next {
            let page: Value = serde_json::from_str(&text(&client, &page, &token).await?)?;
            deleted += page["value"].as_array().map_or(0, Vec::len) as u64;
            next = page["@odata.nextLink"].as_str().map(str::to_owned);
        }
        Ok(Self { users, deleted })
    }
}

async fn token(client: &reqwest::Client, url: &str) -> anyhow::Result<String> {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT_ID),
        ("client_secret", CLIENT_SECRET),
        ("scope", "https://graph.microsoft.com/.default"),
    ];
    let answer = client
        .post(format!("{url}/{TENANT_ID}/oauth2/v2.0/token"))
        .form(&form)
        .send()
        .await?;
    let answer: Value = answer.error_for_status()?.json().await?;
    answer["access_token"]
        .as_str()
        .map(str::to_owned)
        .context("the simulator gave no token")
}

async fn text(client: &reqwest::Client, url: &str, token: &str) -> anyhow::Result<String> {
    let request = client
        .get(url)
        .bearer_auth(token)
        .header("ConsistencyLevel", "eventual");
    Ok(request.send().await?.error_for_status()?.text().await?)
}

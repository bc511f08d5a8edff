//! `make demo`: the first import from nothing, looked at from both ends.

use std::process::ExitCode;
use std::time::Duration;

use local::stack::Stack;
use serde_json::Value;

use crate::Everything;
use crate::run::Running;
use crate::tenant::{self, Headcount};

/// How long a mail may take after the run has ended.
const MAIL_LIMIT: Duration = Duration::from_secs(30);

/// Imports, prints the summary, checks it. Fails when the import did not do what it should.
pub async fn demo(everything: Everything) -> anyhow::Result<ExitCode> {
    let running = Running::start(&everything).await?;
    let problems = import_and_check(&running.stack).await;
    running.stop().await?;
    let problems = problems?;
    if problems.is_empty() {
        println!("demo: the import did what it should");
        return Ok(ExitCode::SUCCESS);
    }
    for problem in problems {
        println!("demo: {problem}");
    }
    Ok(ExitCode::FAILURE)
}

async fn import_and_check(stack: &Stack) -> anyhow::Result<Vec<String>> {
    let id = tenant::import(stack).await?;
    tenant::print_summary(stack, &id).await?;
    let run = stack.cli()?.json(&["run", "show", &id]).await?;
    let headcount = Headcount::take(stack).await?;
    let mut problems = check(&run, &headcount);
    match stack.mail().wait_for(1, MAIL_LIMIT).await {
        Some(mails) => {
            let subject = mails[0].header("Subject").unwrap_or_default();
            println!("mail to {}: {subject}", mails[0].to.join(", "));
        }
        None => problems.push(format!(
            "no mail about the run came within {} s",
            MAIL_LIMIT.as_secs()
        )),
    }
    Ok(problems)
}

/// What is wrong with a finished run of a directory that stood still.
fn check(run: &Value, headcount: &Headcount) -> Vec<String> {
    let mut problems = Vec::new();
    if run["state"] != "RUN_STATE_FINISHED" {
        problems.push(format!(
            "the run is {} instead of finished: {}",
            run["state"], run["error"]
        ));
    }
    // Zeros may be left out of the JSON form of a protobuf message.
    let count = |name: &str| run["counts"][name].as_u64().unwrap_or(0);
    let there = headcount.users + headcount.deleted;
    if count("seen") != there {
        let (users, deleted) = (headcount.users, headcount.deleted);
        problems.push(format!(
            "{} seen of {users} users and {deleted} deleted ones",
            count("seen")
        ));
    }
    let outcomes = [
        "added",
        "updated",
        "unchanged",
        "skipped",
        "removed",
        "held",
        "failed",
    ];
    let told: u64 = outcomes.iter().map(|name| count(name)).sum();
    if told != count("seen") + count("gone") {
        problems.push(format!(
            "{told} outcomes for {} seen and {} gone",
            count("seen"),
            count("gone")
        ));
    }
    if count("failed") != 0 {
        problems.push(format!(
            "{} users failed: rollcall run failed ID --csv",
            count("failed")
        ));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_run_that_lost_somebody_is_told() {
        let headcount = Headcount {
            users: 100,
            deleted: 5,
        };
        let good = json!({"state": "RUN_STATE_FINISHED", "counts": {"seen": 105, "added": 97, "skipped": 8}});
        assert_eq!(check(&good, &headcount), Vec::<String>::new());

        let lost = json!({"state": "RUN_STATE_FINISHED", "counts": {"seen": 104, "added": 96, "skipped": 8}});
        assert_eq!(
            check(&lost, &headcount),
            ["104 seen of 100 users and 5 deleted ones"]
        );
        let untold =
            json!({"state": "RUN_STATE_FAILED", "error": "no token", "counts": {"seen": 105, "failed": 1}});
        assert_eq!(check(&untold, &headcount).len(), 3);
    }
}

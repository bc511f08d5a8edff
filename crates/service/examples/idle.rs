//! The smallest service: it waits until it is told to stop, or fails when its configuration says so.

use std::process::ExitCode;

use rollcall_service::grpc::Surface;
use rollcall_service::{Context, Errand, run_or};
use serde::Deserialize;
use tracing::Instrument;

const DEFAULTS: &str = r#"
[idle]
# What to do: wait, fail, panic or deaf.
behaviour = "wait"
"#;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    idle: Idle,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Idle {
    behaviour: Behaviour,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Behaviour {
    Wait,
    Fail,
    Panic,
    Deaf,
}

fn main() -> ExitCode {
    let errand = Errand {
        flag: "once",
        about: "Does once what it is told to, and exits",
        work: once,
    };
    run_or("idle", DEFAULTS, start, errand)
}

async fn start(config: Config, context: Context) -> anyhow::Result<Surface> {
    let stopper = context.stopper.clone();
    context.tasks.spawn("idler", async move {
        match config.idle.behaviour {
            Behaviour::Wait => {
                stopper
                    .stopped()
                    .instrument(tracing::info_span!("idle.wait"))
                    .await;
            }
            Behaviour::Fail => anyhow::bail!("told to fail"),
            Behaviour::Panic => panic!("told to panic"),
            Behaviour::Deaf => std::future::pending().await,
        }
        Ok(())
    });
    Ok(Surface::new())
}

async fn once(config: Config) -> anyhow::Result<()> {
    match config.idle.behaviour {
        Behaviour::Wait => Ok(()),
        Behaviour::Fail => anyhow::bail!("told to fail"),
        Behaviour::Panic => panic!("told to panic"),
        Behaviour::Deaf => {
            tracing::info!("deaf already");
            std::future::pending().await
        }
    }
}

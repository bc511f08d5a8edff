//! From the settings to the running loops.

use std::sync::Arc;

use bus::consumers;
use service::Context;
use service::grpc::Surface;
use tokio::sync::Notify;

use crate::config::Config;
use crate::decide::{Decider, Sweep, Teller, take_changes};
use crate::deliver::{Sender, Smtp};
use crate::metrics::Metrics;
use crate::retention::Retention;

/// Connects, and starts both loops and the sweep. The gRPC port has health and reflection alone.
pub async fn start(config: Config, context: Context) -> anyhow::Result<Surface> {
    config.check()?;
    let vault = Arc::new(keys::read(&config.vault)?);
    let smtp = Smtp::new(&config.smtp)?;
    let store = backing::store(&config.database).await?;
    keys::check(&store, &vault, &config.vault, &context.stopper).await?;
    let bus = backing::bus("rollcall-notifier", &config.nats, &context.stopper).await?;
    let (clock, metrics, due) = (context.clock.clone(), Metrics::new(), Arc::new(Notify::new()));

    let teller = Teller::new(store.clone(), clock.clone(), metrics.clone(), &config);
    let decider = Decider {
        teller: teller.clone(),
        bus: bus.clone(),
        due: Arc::clone(&due),
    };
    let finished = backing::join(&bus, consumers::NOTIFIER_FINISHED, &context.stopper).await?;
    context
        .tasks
        .spawn("decide", decider.run(finished, context.stopper.clone()));
    let changed = backing::join(&bus, consumers::NOTIFIER_CHANGED, &context.stopper).await?;
    context
        .tasks
        .spawn("changes", take_changes(changed, context.stopper.clone()));
    let sweep = Sweep {
        teller,
        bus: bus.clone(),
        due: Arc::clone(&due),
        config: config.sweep,
    };
    context.tasks.spawn("sweep", sweep.run(context.stopper.clone()));

    let retention = Retention {
        store: store.clone(),
        clock: clock.clone(),
        config: config.retention,
    };
    context
        .tasks
        .spawn("retention", retention.run(context.stopper.clone()));

    let sender = Sender {
        store,
        clock,
        metrics,
        smtp,
        bus,
        due,
        config: config.delivery,
        vault,
    };
    context
        .tasks
        .spawn("deliver", sender.run(context.stopper.clone()));
    Ok(Surface::new())
}

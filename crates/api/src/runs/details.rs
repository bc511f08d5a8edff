//! What a run did, as long as that is kept.

use store::run_view::RunView;

use crate::fault::Fault;

/// Refuses a run whose decisions and pages were given up: an empty list would say that it did nothing.
pub fn kept(run: &RunView) -> Result<(), Fault> {
    if !run.details_pruned {
        return Ok(());
    }
    Err(Fault::Precondition {
        reason: "DETAILS_PRUNED",
        message: format!(
            "the details of run {} were pruned, because they are older than retention.runs_days; its counts are kept: \
             rollcall run show {}",
            run.id, run.id
        ),
    })
}

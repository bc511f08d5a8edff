//! Schedules, as the API shows them.

use contracts::v1::schedules_client::SchedulesClient;
use contracts::v1::{GetScheduleRequest, Schedule};

use crate::world::World;

/// The schedule of this name.
pub async fn schedule_of(world: &World, name: &str) -> Schedule {
    let request = GetScheduleRequest {
        schedule: name.to_owned(),
    };
    SchedulesClient::new(world.channel())
        .get_schedule(world.call(request))
        .await
        .unwrap()
        .into_inner()
}

//! Removals that await a person.

use contracts::v1;
use domain::leaver::Removal;
use store::review_list::{Review, State};

use super::account::role;
use super::time;

/// A review.
pub fn review(review: Review) -> v1::Review {
    v1::Review {
        id: review.id.to_string(),
        connection: review.connection,
        run_id: review.run.to_string(),
        account_id: review.account.to_string(),
        object_id: review.object.to_string(),
        name: review.name.unwrap_or_default(),
        upn: review.upn.unwrap_or_default(),
        role: review.role.map_or(v1::Role::Unspecified, role).into(),
        cause: review.cause.key().to_owned(),
        proposed: match review.proposed {
            Removal::Deactivate => v1::LeaverAction::Deactivate,
            Removal::Delete => v1::LeaverAction::Delete,
        }
        .into(),
        reason: review.reason,
        state: state(review.state).into(),
        create_time: Some(time(review.created_at)),
        resolve_time: review.resolved_at.map(time),
        resolved_by: review.resolved_by.unwrap_or_default(),
        resolution_reason: review.resolution_reason.unwrap_or_default(),
        waits_for_assets: review.waits_for_assets,
        last_seen_time: review.last_seen_at.map(time),
        held_assets: review
            .held
            .into_iter()
            .map(|asset| v1::HeldAsset {
                id: asset.id.to_string(),
                name: asset.name,
                tag: asset.tag.unwrap_or_default(),
            })
            .collect(),
        held_count: review.held_count,
    }
}

const fn state(state: State) -> v1::ReviewState {
    match state {
        State::Open => v1::ReviewState::Open,
        State::Approved => v1::ReviewState::Approved,
        State::Rejected => v1::ReviewState::Rejected,
        State::Kept => v1::ReviewState::Kept,
        State::Obsolete => v1::ReviewState::Obsolete,
    }
}

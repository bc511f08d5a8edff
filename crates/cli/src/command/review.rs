//! `review`: removals that wait for a person.

use clap::builder::RangedU64ValueParser;
use clap::{Args, Subcommand, ValueEnum};
use contracts::v1;

use crate::api::idempotency_key;
use crate::command::Session;
use crate::failure::Failure;
use crate::page;
use crate::show;
use crate::table::{Column, Table};
use crate::words;

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// List reviews; open ones unless --state says otherwise
    List {
        /// Only this connection's
        #[arg(long, value_name = "NAME", default_value = "")]
        connection: String,
        /// Which ones
        #[arg(long, value_enum, default_value_t = State::Open)]
        state: State,
        /// At most so many
        #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<u32>::new().range(1..))]
        limit: Option<u32>,
    },
    /// Do what the reviews propose, or --action instead
    #[command(
        after_help = "Examples:\n  rollcall review approve 0198… 0199… --reason \"left in October\"\n  rollcall review approve 0198… --action deactivate --reason \"keep the history\""
    )]
    Approve {
        #[command(flatten)]
        which: Which,
        /// Do this instead of what is proposed
        #[arg(long, value_enum)]
        action: Option<Action>,
    },
    /// Leave the records as they are; a later full run may ask again
    Reject {
        #[command(flatten)]
        which: Which,
    },
}

/// Which reviews, and why.
#[derive(Args)]
pub struct Which {
    /// Ids of reviews
    #[arg(required = true, value_name = "ID", value_parser = super::id)]
    ids: Vec<String>,
    /// Why; kept with the review
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// What to do with a record.
#[derive(Clone, Copy, ValueEnum)]
pub enum Action {
    Deactivate,
    Delete,
}

/// State of a review.
#[derive(Clone, Copy, ValueEnum)]
pub enum State {
    Open,
    Approved,
    Rejected,
    Kept,
    Obsolete,
}

impl Command {
    /// Does it.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::List {
                connection,
                state,
                limit,
            } => list(session, &connection, state, limit).await,
            Self::Approve { which, action } => {
                let action = match action {
                    None => v1::LeaverAction::Unspecified,
                    Some(Action::Deactivate) => v1::LeaverAction::Deactivate,
                    Some(Action::Delete) => v1::LeaverAction::Delete,
                };
                resolve(session, which, Some(action)).await
            }
            Self::Reject { which } => resolve(session, which, None).await,
        }
    }
}

async fn list(session: &Session, connection: &str, state: State, limit: Option<u32>) -> Result<(), Failure> {
    let state = match state {
        State::Open => v1::ReviewState::Open,
        State::Approved => v1::ReviewState::Approved,
        State::Rejected => v1::ReviewState::Rejected,
        State::Kept => v1::ReviewState::Kept,
        State::Obsolete => v1::ReviewState::Obsolete,
    };
    let api = session.api().await?;
    let (reviews, next_page_token) = page::read(limit, async |page_size, page_token| {
        let message = v1::ListReviewsRequest {
            connection: connection.to_owned(),
            state: state.into(),
            page_size,
            page_token,
        };
        let page = api
            .call(message, async |request| api.reviews().list_reviews(request).await)
            .await?;
        Ok((page.reviews, page.next_page_token))
    })
    .await?;
    let answer = v1::ListReviewsResponse {
        reviews,
        next_page_token,
    };
    session.output.answer(&answer, |answer| table(&answer.reviews))?;
    page::say_if_cut(&answer.next_page_token, answer.reviews.len());
    Ok(())
}

fn table(reviews: &[v1::Review]) -> String {
    let mut table = Table::new(&[
        Column::Left("ID"),
        Column::Left("CONNECTION"),
        Column::Left("NAME"),
        Column::Left("UPN"),
        Column::Left("ROLE"),
        Column::Left("CAUSE"),
        Column::Left("PROPOSED"),
        Column::Left("WHY ASKED"),
        Column::Left("STATE"),
        Column::Left("SINCE"),
    ]);
    for review in reviews {
        table.row([
            review.id.clone(),
            review.connection.clone(),
            review.name.clone(),
            review.upn.clone(),
            words::role(review.role()),
            review.cause.replace('_', " "),
            words::leaver_action(review.proposed()),
            review.reason.clone(),
            state_word(review.state()),
            show::time(review.create_time.as_ref()),
        ]);
    }
    table.into_text("No reviews.")
}

/// Approves (with an action) or rejects; what could not be resolved is told and makes the command fail.
async fn resolve(session: &Session, which: Which, approve: Option<v1::LeaverAction>) -> Result<(), Failure> {
    let message = v1::ResolveReviewsRequest {
        review_ids: which.ids,
        action: approve.unwrap_or_default().into(),
        reason: which.reason,
        idempotency_key: idempotency_key(),
    };
    let api = session.api().await?;
    let answer = api
        .call(message, async |request| match approve {
            Some(_) => api.reviews().approve_reviews(request).await,
            None => api.reviews().reject_reviews(request).await,
        })
        .await?;
    session.output.answer(&answer, |answer| {
        let mut table = Table::whole(&[
            Column::Left("ID"),
            Column::Left("STATE"),
            Column::Left("RESOLVED"),
            Column::Left("WHY NOT"),
        ]);
        for result in &answer.results {
            table.row([
                result.review_id.clone(),
                state_word(result.state()),
                show::flag(result.resolved).to_owned(),
                result.message.clone(),
            ]);
        }
        table.into_text("No reviews.")
    })?;
    let failed = answer.results.iter().filter(|result| !result.resolved).count();
    if failed == 0 {
        return Ok(());
    }
    eprintln!(
        "error: {failed} of {} reviews were not resolved",
        answer.results.len()
    );
    Err(Failure::Told)
}

fn state_word(state: v1::ReviewState) -> String {
    words::plain(state.as_str_name(), "REVIEW_STATE_")
}

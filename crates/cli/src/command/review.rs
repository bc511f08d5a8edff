//! `review`: removals that wait for a person.

use clap::builder::RangedU64ValueParser;
use clap::{Args, Subcommand, ValueEnum};
use contracts::v1;
use domain::csv_cell;

use crate::api::idempotency_key;
use crate::command::Session;
use crate::failure::Failure;
use crate::output::print;
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
        /// Only for this cause
        #[arg(long, value_enum)]
        cause: Option<Cause>,
        /// As CSV; safe to open in a spreadsheet
        #[arg(long)]
        csv: bool,
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
    /// Leave the records for good: no run removes them, or asks, for the same cause again
    Keep {
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

/// Why someone leaves.
#[derive(Clone, Copy, ValueEnum)]
pub enum Cause {
    Disabled,
    SoftDeleted,
    Gone,
    OutOfScope,
}

/// What a person says.
#[derive(Clone, Copy)]
enum Verdict {
    Approve(v1::LeaverAction),
    Reject,
    Keep,
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
                cause,
                csv,
                limit,
            } => list(session, &connection, (state, cause), csv, limit).await,
            Self::Approve { which, action } => {
                let action = match action {
                    None => v1::LeaverAction::Unspecified,
                    Some(Action::Deactivate) => v1::LeaverAction::Deactivate,
                    Some(Action::Delete) => v1::LeaverAction::Delete,
                };
                resolve(session, which, Verdict::Approve(action)).await
            }
            Self::Reject { which } => resolve(session, which, Verdict::Reject).await,
            Self::Keep { which } => resolve(session, which, Verdict::Keep).await,
        }
    }
}

async fn list(
    session: &Session,
    connection: &str,
    (state, cause): (State, Option<Cause>),
    as_csv: bool,
    limit: Option<u32>,
) -> Result<(), Failure> {
    let cause = match cause {
        None => "",
        Some(Cause::Disabled) => "disabled",
        Some(Cause::SoftDeleted) => "soft_deleted",
        Some(Cause::Gone) => "gone",
        Some(Cause::OutOfScope) => "out_of_scope",
    };
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
            cause: cause.to_owned(),
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
    if as_csv {
        print(&csv(&answer.reviews))?;
    } else {
        session.output.answer(&answer, |answer| table(&answer.reviews))?;
    }
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
        Column::Left("LAST SEEN"),
        Column::Left("HOLDS"),
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
            show::time(review.last_seen_time.as_ref()),
            holds(review),
            proposed(review),
            review.reason.clone(),
            state_word(review.state()),
            show::time(review.create_time.as_ref()),
        ]);
    }
    table.into_text("No reviews.")
}

/// `2: Laptop (T-1), Phone`; nothing for nothing.
fn holds(review: &v1::Review) -> String {
    if review.held_count == 0 {
        return String::new();
    }
    let named: Vec<String> = review
        .held_assets
        .iter()
        .map(|asset| domain::asset::label(&asset.name, Some(&asset.tag)))
        .collect();
    let more = if review.held_count as usize > named.len() {
        ", …"
    } else {
        ""
    };
    format!("{}: {}{more}", review.held_count, named.join(", "))
}

fn proposed(review: &v1::Review) -> String {
    let action = words::leaver_action(review.proposed());
    if review.waits_for_assets {
        format!("{action} when assets are returned")
    } else {
        action
    }
}

fn csv(reviews: &[v1::Review]) -> String {
    let mut text = csv_cell::row([
        "id",
        "connection",
        "account_id",
        "object_id",
        "upn",
        "name",
        "role",
        "cause",
        "last_seen",
        "held_assets",
        "proposed",
        "reason",
        "state",
        "since",
        "resolved",
        "resolved_by",
        "resolution_reason",
    ]);
    for review in reviews {
        let cells = [
            review.id.clone(),
            review.connection.clone(),
            review.account_id.clone(),
            review.object_id.clone(),
            review.upn.clone(),
            review.name.clone(),
            words::role(review.role()),
            review.cause.clone(),
            show::time(review.last_seen_time.as_ref()),
            holds(review),
            proposed(review),
            review.reason.clone(),
            state_word(review.state()),
            show::time(review.create_time.as_ref()),
            show::time(review.resolve_time.as_ref()),
            review.resolved_by.clone(),
            review.resolution_reason.clone(),
        ];
        text.push_str(&csv_cell::row(cells.iter().map(String::as_str)));
    }
    text
}

/// Approves (with an action), rejects or keeps; what could not be resolved is told and makes the command fail.
async fn resolve(session: &Session, which: Which, verdict: Verdict) -> Result<(), Failure> {
    let message = v1::ResolveReviewsRequest {
        review_ids: which.ids,
        action: match verdict {
            Verdict::Approve(action) => action.into(),
            Verdict::Reject | Verdict::Keep => v1::LeaverAction::Unspecified.into(),
        },
        reason: which.reason,
        idempotency_key: idempotency_key(),
    };
    let api = session.api().await?;
    let answer = api
        .call(message, async |request| match verdict {
            Verdict::Approve(_) => api.reviews().approve_reviews(request).await,
            Verdict::Reject => api.reviews().reject_reviews(request).await,
            Verdict::Keep => api.reviews().keep_reviews(request).await,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d8_the_csv_reads_back_and_runs_no_formula() {
        let review = v1::Review {
            id: "1".to_owned(),
            name: "=cmd|' /C calc'!A0".to_owned(),
            upn: "a@contoso.com".to_owned(),
            cause: "gone".to_owned(),
            proposed: v1::LeaverAction::Delete.into(),
            held_count: 2,
            held_assets: vec![v1::HeldAsset {
                name: "Laptop".to_owned(),
                tag: "T-1".to_owned(),
                ..Default::default()
            }],
            waits_for_assets: true,
            ..Default::default()
        };
        let text = csv(&[review]);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let headers = reader.headers().unwrap().clone();
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 1);
        let cell = |name: &str| {
            let place = headers.iter().position(|header| header == name).unwrap();
            rows[0][place].to_owned()
        };
        assert_eq!(cell("name"), "'=cmd|' /C calc'!A0");
        assert_eq!(cell("held_assets"), "2: Laptop (T-1), …");
        assert_eq!(cell("proposed"), "delete when assets are returned");
    }
}

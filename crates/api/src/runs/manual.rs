//! Manual runs: certain users at once, with an answer for each (R1, R2).

use std::time::Duration;

use contracts::v1;
use domain::custom_field::CustomFields;
use domain::decision::Outcome;
use domain::id::{AccountId, ObjectId};
use store::change_list::{self, Change, Place, Which};
use store::run::{Kind, Manual};
use store::run_view::{RunView, State};
use store::{account_list, custom_field, run_fetch};
use tokio::sync::mpsc;

use super::start::{self, Wanted};
use super::watch;
use crate::app::App;
use crate::auth::Caller;
use crate::fault::{Fault, Violation};
use crate::once::Key;
use crate::{lookup, view};

/// Users of one import at most.
const MOST: usize = 5;
/// Characters of a name at most; a UPN has no more than 1,024.
const LONGEST: usize = 1_024;
/// How long an answer waits for the run's end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Imports users by hand: whatever the criteria and a first run's preview say.
pub async fn import(
    app: &App,
    caller: &Caller,
    request: v1::ImportUsersRequest,
) -> Result<v1::ImportUsersResponse, Fault> {
    let key = Key::of(caller, "ImportUsers", &request.idempotency_key, &request)?;
    let users = users(&request.users)?;
    let wanted = Wanted {
        connection: &request.connection,
        kind: Kind::Manual,
        manual: Some(Manual {
            keys: users.clone(),
            by_hand: true,
        }),
        trigger: start::trigger(&request.trigger)?,
        apply_first: false,
    };
    let run = begin(app, caller, &key, wanted).await?;
    answer(app, caller, &run, users).await
}

/// Reads an account's user now. The criteria count, as in any run.
pub async fn sync(
    app: &App,
    caller: &Caller,
    request: v1::SyncAccountRequest,
) -> Result<v1::ImportUsersResponse, Fault> {
    let key = Key::of(caller, "SyncAccount", &request.idempotency_key, &request)?;
    let id: AccountId = lookup::parse("accountId", &request.account_id)?;
    let mut database = app.store.connection().await?;
    let account = account_list::find_person(&mut database, caller.organization(), Some(id.0), None).await?;
    drop(database);
    let account = account.ok_or_else(|| Fault::NotFound {
        what: "account",
        name: id.to_string(),
        hint: "; find accounts with rollcall account list --search TEXT".to_owned(),
    })?;
    let link = account.link.ok_or_else(|| Fault::Precondition {
        reason: "NOT_LINKED",
        message: format!(
            "the account {id} is linked to no user of a directory, so there is nothing to sync it with; rollcall import \
             users CONNECTION UPN brings its user in"
        ),
    })?;
    let keys = vec![link.object.to_string()];
    let wanted = Wanted {
        connection: &link.connection,
        kind: Kind::Manual,
        manual: Some(Manual {
            keys: keys.clone(),
            by_hand: false,
        }),
        trigger: start::trigger(&request.trigger)?,
        apply_first: false,
    };
    let run = begin(app, caller, &key, wanted).await?;
    answer(app, caller, &run, keys).await
}

/// Writes the run down, once for each key, and wakes a fetcher.
async fn begin(app: &App, caller: &Caller, key: &Key, wanted: Wanted<'_>) -> Result<v1::Run, Fault> {
    let mut tx = app.store.begin("run.start_manual").await?;
    let run = match key.claim(app, &mut tx).await? {
        Some(run) => run,
        None => {
            let run = start::insert(app, caller, &mut tx, wanted).await?;
            key.answer(&mut tx, &run).await?;
            run
        }
    };
    tx.commit().await?;
    tracing::Span::current().record("run.id", &run.id);
    start::wake(app, caller, &run)?;
    Ok(run)
}

/// Waits for the run's end, and tells what became of each user; or as far as it has come.
async fn answer(
    app: &App,
    caller: &Caller,
    run: &v1::Run,
    users: Vec<String>,
) -> Result<v1::ImportUsersResponse, Fault> {
    let run = match tokio::time::timeout(PATIENCE, ended(app, caller, &run.id)).await {
        Ok(run) => run?,
        Err(_) => lookup::run(app, caller, &run.id).await?,
    };
    let mut database = app.store.connection().await?;
    let found = run_fetch::found(&mut database, run.id).await?;
    // One may be decided on as an account and as a person.
    let limit = i64::try_from(2 * users.len()).unwrap_or(i64::MAX);
    let custom = custom_field::list(&mut database, caller.organization()).await?;
    let changes = change_list::list(&mut database, run.id, Which::default(), Place::START, limit).await?;
    drop(database);
    Ok(v1::ImportUsersResponse {
        results: results(&run, users, (&found, &changes), &custom),
        run: Some(view::run::run(&run, app.clock.now())),
    })
}

async fn ended(app: &App, caller: &Caller, id: &str) -> Result<RunView, Fault> {
    let (to, mut from) = mpsc::channel(1);
    let watching = watch::watch(app.clone(), caller.clone(), id.to_owned(), to);
    let last = async {
        let mut last = None;
        while let Some(run) = from.recv().await {
            last = Some(run?);
        }
        last.ok_or(Fault::Stopping)
    };
    tokio::join!(watching, last).1
}

/// Each user's part of the run. Objects have a decision of their own; names that nobody has failed in their order.
fn results(
    run: &RunView,
    users: Vec<String>,
    (found, changes): (&[Option<ObjectId>], &[Change]),
    custom: &CustomFields,
) -> Vec<v1::UserResult> {
    let mut nobody = changes.iter().filter(|change| change.object.is_none());
    let mut results = Vec::with_capacity(users.len());
    for (place, user) in users.into_iter().enumerate() {
        let change = match found.get(place) {
            Some(None) => nobody.next(),
            Some(object) => changes.iter().find(|change| change.object == *object),
            None => None,
        };
        results.push(match change.filter(|_| run.state == State::Finished) {
            Some(change) => result(user, change.clone(), custom),
            None => untold(user, run),
        });
    }
    results
}

fn result(user: String, change: Change, custom: &CustomFields) -> v1::UserResult {
    let overwritten = change.outcome == Outcome::Updated && change.rule > 1;
    let change = view::change::change(change, custom);
    v1::UserResult {
        user,
        outcome: change.outcome,
        overwritten,
        object_id: change.object_id,
        account_id: change.account_id,
        name: change.name,
        upn: change.upn,
        rule: change.rule,
        reason: change.reason,
        fields: change.fields,
    }
}

/// Of a run that has not finished: it goes on, or it failed for everybody.
fn untold(user: String, run: &RunView) -> v1::UserResult {
    let (outcome, reason) = match run.state {
        State::Failed => (
            v1::Outcome::Failed,
            run.error.clone().unwrap_or_else(|| "the run failed".to_owned()),
        ),
        State::Cancelled | State::Expired => (v1::Outcome::Skipped, "the run was cancelled".to_owned()),
        _ => (v1::Outcome::Unspecified, String::new()),
    };
    v1::UserResult {
        user,
        outcome: outcome.into(),
        reason,
        ..v1::UserResult::default()
    }
}

/// One to five names, each once.
fn users(asked: &[String]) -> Result<Vec<String>, Fault> {
    let count = asked.len();
    if count == 0 {
        return Err(Fault::invalid(
            "users",
            "is empty; name one to five users, each by user principal name or object id",
        ));
    }
    if count > MOST {
        return Err(Fault::invalid(
            "users",
            format!(
                "has {count} names; an import by hand takes one to five: send several, or start a run of the connection \
                 (rollcall run start)"
            ),
        ));
    }
    let users: Vec<String> = asked.iter().map(|user| user.trim().to_owned()).collect();
    let mut violations = Vec::new();
    for (index, user) in users.iter().enumerate() {
        let earlier = || {
            users[..index]
                .iter()
                .position(|other| other.to_lowercase() == user.to_lowercase())
        };
        let problem = if user.is_empty() {
            "is blank; give a user principal name or an object id".to_owned()
        } else if user.chars().count() > LONGEST || user.chars().any(char::is_control) {
            format!("has more than {LONGEST} characters, or control characters; no user is called so")
        } else if let Some(earlier) = earlier() {
            format!("is the same as users[{earlier}]; name each user once")
        } else {
            continue;
        };
        violations.push(Violation {
            path: format!("users[{index}]"),
            problem,
        });
    }
    if violations.is_empty() {
        Ok(users)
    } else {
        Err(Fault::Invalid(violations))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(asked: &[&str]) -> Vec<String> {
        let asked: Vec<String> = asked.iter().map(|user| (*user).to_owned()).collect();
        match users(&asked) {
            Ok(_) => Vec::new(),
            Err(Fault::Invalid(violations)) => {
                violations.into_iter().map(|violation| violation.path).collect()
            }
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn r1_one_to_five_users_each_once() {
        assert_eq!(paths(&["a@b"]), [""; 0]);
        assert_eq!(paths(&["a@b", "c@d", "e@f", "g@h", "i@j"]), [""; 0]);
        assert_eq!(paths(&[]), ["users"]);
        assert_eq!(paths(&["a", "b", "c", "d", "e", "f"]), ["users"]);
        assert_eq!(paths(&["a@b", " ", "A@B "]), ["users[1]", "users[2]"]);
        assert_eq!(paths(&["a\u{7}b", &"x".repeat(1_025)]), ["users[0]", "users[1]"]);
    }

    #[test]
    fn r1_names_are_taken_without_the_blanks_around_them() {
        assert_eq!(
            users(&[" $ann@contoso.com ".to_owned()]).unwrap(),
            ["$ann@contoso.com"]
        );
    }
}

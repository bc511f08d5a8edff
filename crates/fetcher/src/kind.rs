//! Whether a run reads changes or everything, and why everything where changes were asked for (R5, R6).

use chrono::{DateTime, TimeDelta, Utc};
use domain::attribute::Attribute;
use graph::Graph;
use store::connection::Connection;
use store::delta_cursor::DeltaCursor;
use store::run::Kind;
use store::run_fetch::LastFull;

use crate::groups::Wanted;

/// Delta tokens live for seven days (graph-facts §3.4); the last hours are left for the run itself and for clocks.
const TOKEN_LIFE: TimeDelta = TimeDelta::hours(6 * 24 + 20);
/// Objects of a delta round from which on reading everything is cheaper, and kinder to memory.
pub const MOST_CHANGES: usize = 50_000;
/// How long a full run goes on from where the groups were last read, and takes over what has changed: a nightly one reads
/// all of them again, and with that mends whatever a change may have failed to tell.
const GROUPS_LIFE: TimeDelta = TimeDelta::hours(20);
/// Changed objects of a round that are looked up because their rows tell too little: as many calls as the listing of a
/// million users takes.
pub const MOST_LOOKED_UP: usize = 15_000;

/// What a run reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Everything; with a reason where changes were asked for.
    Full(Option<String>),
    /// What has changed since the cursors.
    Delta(Box<Cursors>),
    /// Certain users.
    Named,
}

/// Where the last rounds ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursors {
    /// That of users.
    pub users: DeltaCursor,
    /// That of groups, where they are wanted.
    pub groups: Option<DeltaCursor>,
}

/// The selected attributes: a cursor of another selection is of no use (graph-facts §11, trap 31).
pub fn selection() -> String {
    Attribute::ALL.map(Attribute::name).join(",")
}

/// Decides what a run of `kind` reads. `quarantine` is what it says against reading changes only.
pub fn choose(
    kind: Kind,
    cursor: Option<DeltaCursor>,
    connection: &Connection,
    last_full: Option<LastFull>,
    groups: Option<&Wanted>,
    quarantine: Option<&str>,
    now: DateTime<Utc>,
) -> Reading {
    match kind {
        // A revert is never taken: it reads nothing.
        Kind::Full | Kind::Preview | Kind::Deprovision | Kind::Revert => Reading::Full(None),
        Kind::Manual => Reading::Named,
        Kind::Delta => match cursor {
            None => Reading::Full(Some(no_cursor(last_full))),
            Some(cursor) => {
                let objection = objection(&cursor, connection, now)
                    .or_else(|| groups.and_then(|groups| objection_of_groups(groups, now)))
                    .or_else(|| quarantine.map(str::to_owned));
                match objection {
                    Some(reason) => Reading::Full(Some(reason)),
                    None => Reading::Delta(Box::new(Cursors {
                        users: cursor,
                        groups: groups.and_then(|groups| groups.cursor.clone()),
                    })),
                }
            }
        },
    }
}

fn no_cursor(last_full: Option<LastFull>) -> String {
    match last_full {
        Some(LastFull {
            finished: true,
            offered_delta: false,
            ..
        }) => "the tenant offers no delta".to_owned(),
        _ => "no full run has finished yet".to_owned(),
    }
}

/// What speaks against a cursor.
fn objection(cursor: &DeltaCursor, connection: &Connection, now: DateTime<Utc>) -> Option<String> {
    if cursor.selection != selection() {
        return Some("the selected attributes have changed".to_owned());
    }
    if connection
        .rules_changed_at
        .is_some_and(|changed| changed > cursor.full_at)
    {
        let why = connection.rules_changed_why.clone();
        return Some(why.unwrap_or_else(|| "the connection's rules have changed".to_owned()));
    }
    let age = now - cursor.taken_at;
    (age > TOKEN_LIFE).then(|| too_old(age))
}

/// What speaks against going on from where the groups were last read.
fn objection_of_groups(groups: &Wanted, now: DateTime<Utc>) -> Option<String> {
    let Some(cursor) = &groups.cursor else {
        return Some("the groups have not been read yet".to_owned());
    };
    if cursor.selection != Graph::group_selection() {
        return Some("the selected attributes of groups have changed".to_owned());
    }
    // What that run found out about people would be known to nobody.
    if cursor.groups_version.is_none() || cursor.groups_version != groups.version {
        return Some("the groups were last read by a run that was not applied to its end".to_owned());
    }
    let age = now - cursor.taken_at;
    (age > TOKEN_LIFE).then(|| format!("of the groups: {}", too_old(age)))
}

/// Where a full run goes on with the groups; `None`: it reads all of them. A delta that has to read everything does, too.
pub fn groups_since(kind: Kind, groups: &Wanted, now: DateTime<Utc>) -> Option<&DeltaCursor> {
    let known = groups.cursor.as_ref()?;
    let young = now - known.full_at < GROUPS_LIFE && known.full_at <= now;
    let goes_on = kind != Kind::Delta && young && objection_of_groups(groups, now).is_none();
    goes_on.then_some(known)
}

fn too_old(age: TimeDelta) -> String {
    let days = age.num_days();
    if days < 7 {
        return "the delta token is nearly 7 days old; they are believed for 7".to_owned();
    }
    format!("the delta token is {days} days old; they are believed for 7")
}

/// The reason of a round in which too much has changed.
pub fn too_many_changes() -> String {
    format!(
        "more than {} objects changed; reading everything is cheaper",
        thousands(MOST_CHANGES)
    )
}

/// The reason of a round of which too many rows tell too little.
pub fn too_many_to_look_up() -> String {
    format!(
        "more than {} of the changed objects come back in, or came without the rest; reading everything is cheaper",
        thousands(MOST_LOOKED_UP)
    )
}

/// The reason of a round of groups that has touched too many people.
pub fn too_many_touched() -> String {
    format!(
        "more than {} people are touched by changed groups; reading everything is cheaper",
        thousands(MOST_LOOKED_UP)
    )
}

/// The reason of a round that Graph does not go on with; `None`: the error has nothing to do with the cursor.
pub fn resync(error: &graph::Error) -> Option<String> {
    match error {
        graph::Error::Resync { answer } => Some(match answer.code() {
            "" => format!("Graph asked for a resync: {}", answer.status),
            code => format!("Graph asked for a resync: {code}"),
        }),
        graph::Error::ForeignLink { .. } => {
            Some("the stored delta link leads to another Graph than the connection's".to_owned())
        }
        graph::Error::Refused { .. }
        | graph::Error::ExpiredPage { .. }
        | graph::Error::RepeatedLink { .. }
        | graph::Error::TooManyPages { .. }
        | graph::Error::Malformed { .. }
        | graph::Error::Unexpected { .. }
        | graph::Error::TooLarge { .. } => Some(format!("the delta could not be read: {error}")),
        _ => None,
    }
}

fn thousands(number: usize) -> String {
    format!("{},{:03}", number / 1_000, number % 1_000)
}

#[cfg(test)]
mod tests {
    use domain::brake::Brake;
    use domain::id::{ConnectionId, OrganizationId, RunId, TenantId};
    use domain::leaver::{Policies, Policy};
    use store::connection::FirstRun;
    use uuid::Uuid;

    use super::*;

    fn noon() -> DateTime<Utc> {
        "2026-11-21T12:00:00Z".parse().unwrap()
    }

    fn connection() -> Connection {
        let leave = Policy::of_key("nothing").unwrap();
        Connection {
            id: ConnectionId(Uuid::nil()),
            organization: OrganizationId(Uuid::nil()),
            name: "contoso".into(),
            tenant: TenantId(Uuid::nil()),
            credential: None,
            cloud: "global".into(),
            login_url: None,
            graph_url: None,
            token_url: None,
            deletion_mode: None,
            leavers: Policies {
                disabled: leave,
                soft_deleted: leave,
                gone: leave,
                out_of_scope: leave,
                ..Policies::default()
            },
            brake: Brake {
                percent: 10,
                count: 50,
                from: 20,
            },
            first_run: FirstRun::Preview,
            rules_changed_at: None,
            rules_changed_why: None,
            disconnected_at: None,
            created_at: noon(),
            updated_at: noon(),
        }
    }

    fn cursor() -> DeltaCursor {
        DeltaCursor {
            key_id: "k1".into(),
            ciphertext: vec![1],
            taken_at: noon() - TimeDelta::hours(1),
            selection: selection(),
            run: RunId(Uuid::nil()),
            full_at: noon() - TimeDelta::days(3),
            groups_version: None,
        }
    }

    fn wanted(version: Option<i64>) -> Wanted {
        Wanted {
            asked: Vec::new(),
            cursor: Some(DeltaCursor {
                selection: Graph::group_selection().to_owned(),
                groups_version: Some(3),
                ..cursor()
            }),
            version,
        }
    }

    fn reason_with(groups: &Wanted) -> String {
        match choose(
            Kind::Delta,
            Some(cursor()),
            &connection(),
            None,
            Some(groups),
            None,
            noon(),
        ) {
            Reading::Full(reason) => reason.unwrap(),
            Reading::Delta(cursors) => {
                assert_eq!(cursors.groups, groups.cursor);
                "delta".into()
            }
            Reading::Named => panic!("a delta names nobody"),
        }
    }

    #[test]
    fn b10_groups_must_be_as_they_were_where_their_cursor_goes_on() {
        assert_eq!(reason_with(&wanted(Some(3))), "delta");
        let unfinished = "the groups were last read by a run that was not applied to its end";
        assert_eq!(reason_with(&wanted(Some(4))), unfinished);
        assert_eq!(reason_with(&wanted(None)), unfinished);
        let never = Wanted {
            cursor: None,
            ..wanted(Some(3))
        };
        assert_eq!(reason_with(&never), "the groups have not been read yet");
        let mut other = wanted(Some(3));
        other.cursor.as_mut().unwrap().selection = "members".into();
        assert_eq!(
            reason_with(&other),
            "the selected attributes of groups have changed"
        );
        let mut old = wanted(Some(3));
        old.cursor.as_mut().unwrap().taken_at = noon() - TimeDelta::days(8);
        assert_eq!(
            reason_with(&old),
            "of the groups: the delta token is 8 days old; they are believed for 7"
        );
    }

    #[test]
    fn b10_a_full_run_goes_on_with_groups_that_were_read_whole_not_long_ago() {
        let read = |hours: i64, version: i64, kind: Kind| {
            let mut groups = wanted(Some(version));
            groups.cursor.as_mut().unwrap().full_at = noon() - TimeDelta::hours(hours);
            groups_since(kind, &groups, noon()).is_some()
        };
        assert!(read(1, 3, Kind::Full) && read(19, 3, Kind::Preview));
        assert!(!read(20, 3, Kind::Full), "a nightly run reads all of them");
        assert!(!read(-1, 3, Kind::Full), "a clock that was ahead says nothing");
        assert!(
            !read(1, 4, Kind::Full),
            "the mirror is not what the cursor goes on from"
        );
        assert!(
            !read(1, 3, Kind::Delta),
            "a delta that could not go on trusts nothing that it stands on"
        );
    }

    fn reason(cursor: Option<DeltaCursor>, connection: &Connection, last: Option<LastFull>) -> String {
        match choose(Kind::Delta, cursor, connection, last, None, None, noon()) {
            Reading::Full(reason) => reason.unwrap(),
            Reading::Delta(_) => "delta".into(),
            Reading::Named => panic!("nobody was named"),
        }
    }

    #[test]
    fn a_good_cursor_makes_a_delta_but_only_of_a_delta() {
        assert_eq!(reason(Some(cursor()), &connection(), None), "delta");
        for kind in [Kind::Full, Kind::Preview] {
            let reading = choose(kind, Some(cursor()), &connection(), None, None, None, noon());
            assert_eq!(reading, Reading::Full(None));
        }
    }

    #[test]
    fn without_a_cursor_it_says_whether_there_can_be_one() {
        assert_eq!(reason(None, &connection(), None), "no full run has finished yet");
        let last = LastFull {
            records: 5,
            offered_delta: false,
            finished: true,
        };
        assert_eq!(
            reason(None, &connection(), Some(last)),
            "the tenant offers no delta"
        );
        let unfinished = LastFull {
            finished: false,
            ..last
        };
        assert_eq!(
            reason(None, &connection(), Some(unfinished)),
            "no full run has finished yet"
        );
    }

    #[test]
    fn an_old_cursor_says_its_age() {
        let aged = |taken_at| reason(Some(DeltaCursor { taken_at, ..cursor() }), &connection(), None);
        assert_eq!(aged(noon() - TimeDelta::hours(6 * 24 + 19)), "delta");
        assert_eq!(
            aged(noon() - TimeDelta::hours(6 * 24 + 21)),
            "the delta token is nearly 7 days old; they are believed for 7"
        );
        assert_eq!(
            aged(noon() - TimeDelta::days(8)),
            "the delta token is 8 days old; they are believed for 7"
        );
    }

    #[test]
    fn changed_rules_and_selections_are_named() {
        let mut changed = connection();
        changed.rules_changed_at = Some(noon() - TimeDelta::days(4));
        assert_eq!(
            reason(Some(cursor()), &changed, None),
            "delta",
            "a full run came after it"
        );
        changed.rules_changed_at = Some(noon() - TimeDelta::days(2));
        changed.rules_changed_why = Some("mapping contoso-staff changed: field jobTitle".into());
        assert_eq!(
            reason(Some(cursor()), &changed, None),
            "mapping contoso-staff changed: field jobTitle"
        );
        let other = DeltaCursor {
            selection: "mail".into(),
            ..cursor()
        };
        assert_eq!(
            reason(Some(other), &connection(), None),
            "the selected attributes have changed"
        );
    }

    #[test]
    fn b17_quarantine_may_ask_for_everything() {
        let quarantine = Some("records fail");
        let read = |kind| {
            choose(
                kind,
                Some(cursor()),
                &connection(),
                None,
                None,
                quarantine,
                noon(),
            )
        };
        assert_eq!(read(Kind::Delta), Reading::Full(Some("records fail".into())));
        assert_eq!(read(Kind::Full), Reading::Full(None));
        assert_eq!(read(Kind::Manual), Reading::Named);
    }

    #[test]
    fn every_resync_says_why() {
        let answer = |codes: &[&str]| {
            let codes = codes.iter().map(|&code| code.to_owned()).collect();
            Box::new(graph::Answer {
                status: 410,
                codes,
                ..graph::Answer::default()
            })
        };
        assert_eq!(
            resync(&graph::Error::Resync {
                answer: answer(&["syncStateNotFound"])
            })
            .unwrap(),
            "Graph asked for a resync: syncStateNotFound"
        );
        assert_eq!(
            resync(&graph::Error::Resync { answer: answer(&[]) }).unwrap(),
            "Graph asked for a resync: 410"
        );
        assert_eq!(
            resync(&graph::Error::Throttled {
                after: None,
                answer: answer(&[])
            }),
            None
        );
        assert_eq!(
            too_many_touched(),
            "more than 15,000 people are touched by changed groups; reading everything is cheaper"
        );
        assert_eq!(
            too_many_changes(),
            "more than 50,000 objects changed; reading everything is cheaper"
        );
        assert_eq!(
            too_many_to_look_up(),
            "more than 15,000 of the changed objects come back in, or came without the rest; reading everything is cheaper"
        );
    }
}

//! Whatever a run does to a record, taking it back leaves what nobody touched since as it was.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::account::Kind;

const ACCOUNT: AccountId = AccountId(Uuid::from_u128(5));
/// A few are enough, those of the login among them.
const FIELDS: [Field; 5] = [
    Field::Name,
    Field::Login,
    Field::Domain,
    Field::JobTitle,
    Field::Phone,
];

fn account(values: &[Option<String>], role: Role, standing: Standing) -> Account {
    let mut account = Account {
        id: ACCOUNT,
        kind: Kind::Account,
        version: 1,
        role,
        status: standing.status,
        deactivated_for: standing.deactivated_for,
        values: [const { None }; Field::COUNT],
    };
    for (field, value) in FIELDS.into_iter().zip(values) {
        account.values[field as usize].clone_from(value);
    }
    account
}

/// The changes that make one account of the other.
fn changes(before: &Account, after: &Account) -> Vec<FieldChange<'static>> {
    Field::ALL
        .into_iter()
        .filter(|field| before.value(*field) != after.value(*field))
        .map(|field| FieldChange {
            field,
            old: before.value(field).map(|value| Cow::Owned(value.to_owned())),
            new: after.value(field).map(|value| Cow::Owned(value.to_owned())),
        })
        .collect()
}

fn link(account: Option<AccountId>, status: LinkStatus) -> LinkState {
    LinkState {
        account,
        status,
        brought_in: BroughtIn::ByCriteria,
    }
}

fn values() -> impl Strategy<Value = Vec<Option<String>>> {
    proptest::collection::vec(proptest::option::of("[a-c]{1}"), FIELDS.len())
}

fn standing() -> impl Strategy<Value = Standing> {
    let cause = prop_oneof![
        Just(None),
        Just(Some(Cause::Disabled)),
        Just(Some(Cause::Gone)),
        Just(Some(Cause::OutOfScope))
    ];
    let status = prop_oneof![
        Just(Status::Active),
        Just(Status::Deactivated),
        Just(Status::Deleted)
    ];
    (status, cause).prop_map(|(status, cause)| Standing {
        status,
        deactivated_for: cause.filter(|_| status != Status::Active),
    })
}

fn link_state() -> impl Strategy<Value = Option<LinkState>> {
    let status = proptest::sample::select(&LinkStatus::ALL[..]);
    proptest::option::of(
        (any::<bool>(), status).prop_map(|(linked, status)| link(linked.then_some(ACCOUNT), status)),
    )
}

fn made(before: &Account, after: &Account) -> Made {
    let (before, after) = (Standing::of(before), Standing::of(after));
    if before == after {
        Made::Untouched
    } else {
        Made::Moved { before, after }
    }
}

fn now(account: &Account) -> Now<'_> {
    Now {
        account: Some(account),
        others: &[],
        held: None,
        never_touch: None,
    }
}

proptest! {
    /// Applied and taken back at once: as before, whatever it was.
    #[test]
    fn b4_a_change_taken_back_leaves_everything_as_it_was(
        old in values(), new in values(), was in standing(), is in standing(),
        link_was in link_state(), link_is in link_state(),
    ) {
        let before = account(&old, Role::User, was);
        let after = account(&new, Role::User, is);
        let change = Change {
            made: made(&before, &after),
            fields: changes(&before, &after),
            link: (link_was != link_is).then_some(LinkChange { before: link_was, after: link_is, now: link_is }),
            displaced: Vec::new(),
            review_open: false,
        };
        let undo = undo(&change, now(&after));
        prop_assert_eq!(undo.kept.clone(), vec![]);
        prop_assert_eq!(undo.applied(&after), before.clone());
        prop_assert_eq!(undo.link, link_was != link_is);
        prop_assert_eq!(
            undo.outcome == Outcome::Unchanged,
            before == after && link_was == link_is,
            "{:?}", undo
        );
        // Once more: nothing is left to do.
        let again = Change { link: change.link.map(|link| LinkChange { now: link.before, ..link }), ..change };
        let again = super::undo(&again, now(&before));
        prop_assert_eq!((again.outcome, again.kept.clone()), (Outcome::Unchanged, vec![]));
        prop_assert_eq!(again.applied(&before), before);
    }

    /// Edited in between: what was edited is kept and told, and nothing else.
    #[test]
    fn b4_what_was_edited_since_is_kept_and_all_else_taken_back(
        old in values(), new in values(), edited in values(), was in standing(), is in standing(), later in standing(),
    ) {
        let before = account(&old, Role::User, was);
        let after = account(&new, Role::User, is);
        let current = account(&edited, Role::User, later);
        let change = Change {
            made: made(&before, &after),
            fields: changes(&before, &after),
            link: None,
            displaced: Vec::new(),
            review_open: false,
        };
        let undo = undo(&change, now(&current));
        let result = undo.applied(&current);
        for field in Field::ALL {
            let by_run = before.value(field) != after.value(field);
            let touched = current.value(field) != after.value(field);
            let expected = if by_run && !touched { before.value(field) } else { current.value(field) };
            prop_assert_eq!(result.value(field), expected, "{:?}", field);
            let told = undo.kept.contains(&Kept::Field(field));
            prop_assert_eq!(told, by_run && touched && current.value(field) != before.value(field));
        }
        let (was, is, later) = (Standing::of(&before), Standing::of(&after), Standing::of(&current));
        let expected = if was != is && later == is { was } else { later };
        prop_assert_eq!(Standing::of(&result), expected);
        prop_assert_eq!(undo.kept.contains(&Kept::Standing), was != is && later != is && later != was);
        prop_assert_eq!(undo.outcome == Outcome::Skipped, result == current && !undo.kept.is_empty());
    }

    /// A new record: deleted where nobody has touched it, else kept as it is.
    #[test]
    fn b4_a_new_record_is_deleted_unless_it_was_touched(
        new in values(), edited in values(), same in any::<bool>(), role in proptest::sample::select(&Role::ALL[..]),
        given in proptest::sample::select(&Role::ALL[..]), later in standing(),
    ) {
        let active = Standing { status: Status::Active, deactivated_for: None };
        let nobody = account(&[], role, active);
        let made = account(&new, role, active);
        let current = account(if same { &new } else { &edited }, role, if same { active } else { later });
        let linked = Some(link(Some(ACCOUNT), LinkStatus::Active));
        let change = Change {
            made: Made::Created { standing: active, role: given },
            fields: changes(&nobody, &made),
            link: Some(LinkChange { before: None, after: linked, now: linked }),
            displaced: Vec::new(),
            review_open: false,
        };
        let undo = undo(&change, now(&current));
        let result = undo.applied(&current);
        if current.status == Status::Deleted {
            prop_assert_eq!(undo.outcome, Outcome::Unchanged);
        } else if current == made && role == given {
            prop_assert_eq!((undo.outcome, undo.action, undo.link), (Outcome::Removed, Action::Delete, true));
            prop_assert_eq!((result.status, result.deactivated_for), (Status::Deleted, None));
            prop_assert_eq!(&result.values, &current.values);
        } else {
            prop_assert_eq!((undo.outcome, undo.link), (Outcome::Skipped, false));
            prop_assert!(!undo.kept.is_empty());
            prop_assert_eq!(result, current);
        }
    }
}

fn created(link: LinkChange) -> Change<'static> {
    Change {
        made: Made::Created {
            standing: Standing {
                status: Status::Active,
                deactivated_for: None,
            },
            role: Role::User,
        },
        fields: Vec::new(),
        link: Some(link),
        displaced: Vec::new(),
        review_open: false,
    }
}

fn active() -> Account {
    let active = Standing {
        status: Status::Active,
        deactivated_for: None,
    };
    account(&[], Role::User, active)
}

#[test]
fn b4_a_new_record_whose_link_a_person_has_touched_is_kept() {
    let account = active();
    let after = Some(link(Some(ACCOUNT), LinkStatus::Active));
    let by_hand = LinkState {
        brought_in: BroughtIn::ByHand,
        ..link(Some(ACCOUNT), LinkStatus::Active)
    };
    for (is, kept) in [
        (Some(link(None, LinkStatus::Active)), Some(Kept::Link)),
        (None, Some(Kept::Link)),
        (Some(by_hand), Some(Kept::ByHand)),
        // That the directory says something else of the object is nobody's edit.
        (Some(link(Some(ACCOUNT), LinkStatus::Conflict)), None),
    ] {
        let change = LinkChange {
            before: None,
            after,
            now: is,
        };
        let undo = undo(&created(change), now(&account));
        assert_eq!(undo.kept, kept.into_iter().collect::<Vec<_>>(), "{is:?}");
        assert_eq!(undo.outcome == Outcome::Removed, undo.kept.is_empty());
    }
    let unchanged = LinkChange {
        before: None,
        after,
        now: after,
    };
    let shared = Now {
        others: &[ObjectId(Uuid::from_u128(8))],
        ..now(&account)
    };
    let undo = super::undo(&created(unchanged), shared);
    assert_eq!(
        undo.reason().unwrap(),
        format!("edited since: linked to {}, too", Uuid::from_u128(8))
    );
}

#[test]
fn b4_who_lost_the_record_gets_it_back_only_with_it_given_up() {
    let account = active();
    let lost = LinkChange {
        before: Some(link(Some(ACCOUNT), LinkStatus::Gone)),
        after: Some(link(None, LinkStatus::Gone)),
        now: Some(link(None, LinkStatus::Gone)),
    };
    let taken = LinkChange {
        before: None,
        after: Some(link(Some(ACCOUNT), LinkStatus::Active)),
        now: Some(link(Some(ACCOUNT), LinkStatus::Active)),
    };
    let change = |own: LinkChange| Change {
        made: Made::Untouched,
        fields: Vec::new(),
        link: Some(own),
        displaced: vec![lost],
        review_open: false,
    };
    let undone = undo(&change(taken), now(&account));
    assert!(undone.link && undone.displaced, "{undone:?}");
    let cut = LinkChange {
        now: Some(link(None, LinkStatus::Active)),
        ..taken
    };
    let kept = undo(&change(cut), now(&account));
    assert!(!kept.link && !kept.displaced, "{kept:?}");
    assert_eq!(kept.reason().unwrap(), "edited since: its link");
    // By hand the record went on to somebody else, and the taker is as before.
    let shared = Now {
        others: &[ObjectId(Uuid::from_u128(8))],
        ..now(&account)
    };
    let cut = LinkChange { now: None, ..taken };
    let kept = undo(&change(cut), shared);
    assert!(!kept.link && !kept.displaced, "{kept:?}");
    assert_eq!(
        (kept.outcome, kept.kept),
        (Outcome::Skipped, vec![Kept::Shared(ObjectId(Uuid::from_u128(8)))])
    );
    // Likewise of a link that would get the record back.
    let given_up = LinkChange {
        before: taken.after,
        after: None,
        now: None,
    };
    let regained = Change {
        displaced: Vec::new(),
        ..change(given_up)
    };
    assert!(undo(&regained, now(&account)).link);
    assert!(!undo(&regained, shared).link);
}

#[test]
fn b4_who_holds_assets_is_not_deleted_and_whom_nobody_may_touch_stays() {
    let account = active();
    let held = Held {
        count: 1,
        first: vec!["Laptop (T-1)".to_owned()],
    };
    let linked = Some(link(Some(ACCOUNT), LinkStatus::Active));
    let new = created(LinkChange {
        before: None,
        after: linked,
        now: linked,
    });
    let deleted = Standing {
        status: Status::Deleted,
        deactivated_for: Some(Cause::Gone),
    };
    let restored = Change {
        made: Made::Moved {
            before: deleted,
            after: Standing::of(&account),
        },
        link: None,
        ..new.clone()
    };
    for change in [&new, &restored] {
        assert_eq!(undo(change, now(&account)).outcome, Outcome::Removed);
        let holding = Now {
            held: Some(&held),
            ..now(&account)
        };
        let kept = undo(change, holding);
        assert_eq!(
            (kept.outcome, kept.skip()),
            (Outcome::Skipped, Some(Skip::EditedSince))
        );
        assert_eq!(kept.applied(&account), account);
        assert!(!kept.link && !kept.displaced, "{kept:?}");
        let why = kept.reason().unwrap();
        assert!(
            why.contains("not deleted: still holds 1 asset: Laptop (T-1)"),
            "{why}"
        );
        let untouchable = Now {
            never_touch: Some("on the never-touch list: role user"),
            ..now(&account)
        };
        let kept = undo(change, untouchable);
        assert_eq!(
            (kept.outcome, kept.skip()),
            (Outcome::Skipped, Some(Skip::NeverTouch))
        );
        assert_eq!(kept.reason().unwrap(), "on the never-touch list: role user");
        assert_eq!(kept.applied(&account), account);
        assert!(!kept.link && !kept.close_review, "{kept:?}");
    }
    // Deactivating waits for nothing.
    let reactivated = Change {
        made: Made::Moved {
            before: Standing {
                status: Status::Deactivated,
                ..deleted
            },
            after: Standing::of(&account),
        },
        ..restored
    };
    let holding = Now {
        held: Some(&held),
        ..now(&account)
    };
    assert_eq!(undo(&reactivated, holding).action, Action::Deactivate);
}

#[test]
fn b4_a_review_that_the_run_opened_is_closed_even_when_nothing_else_is_left() {
    let account = active();
    let change = Change {
        made: Made::Untouched,
        fields: Vec::new(),
        link: None,
        displaced: Vec::new(),
        review_open: true,
    };
    let undo = undo(&change, now(&account));
    assert_eq!((undo.outcome, undo.action), (Outcome::Updated, Action::None));
    assert_eq!(undo.reason().unwrap(), "the review that the run opened is closed");
}

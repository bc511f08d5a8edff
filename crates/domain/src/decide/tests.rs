//! Deciding on one user at a time.

use super::*;
use crate::account::Role;
use crate::id::MappingId;
use uuid::Uuid;

pub(super) const NEW: AccountId = AccountId(Uuid::from_u128(99));

pub(super) fn rules() -> Rules {
    Rules {
        kind: Kind::Account,
        connection: ConnectionId(Uuid::from_u128(1)),
        mappings: vec![Mapping::new(
            MappingId(Uuid::nil()),
            "staff".to_owned(),
            Role::User,
            Vec::new(),
        )],
        policies: Policies::default(),
        never_touch: NeverTouch::default(),
    }
}

pub(super) fn user(presence: Presence, completeness: Completeness) -> ObservedUser<'static> {
    let mut user = ObservedUser::new(ObjectId(Uuid::from_u128(7)), presence, completeness);
    let mut say = |attribute, value: &'static str| {
        user.attributes[attribute as usize] = Mention::Value(value.into());
    };
    say(Attribute::DisplayName, "Ann");
    say(Attribute::UserPrincipalName, "ann@contoso.com");
    say(Attribute::AccountEnabled, "true");
    user
}

pub(super) fn account(status: Status) -> Account {
    let mut values = [const { None }; Field::COUNT];
    for (field, value) in [
        (Field::Name, "Ann"),
        (Field::Login, "ann"),
        (Field::Domain, "contoso.com"),
        (Field::Upn, "ann@contoso.com"),
        (Field::EnabledInDirectory, "true"),
    ] {
        values[field as usize] = Some(value.to_owned());
    }
    let deactivated_for = (status != Status::Active).then_some(Cause::Disabled);
    Account {
        id: AccountId(Uuid::from_u128(5)),
        kind: Kind::Account,
        version: 3,
        role: Role::User,
        status,
        deactivated_for,
        values,
    }
}

pub(super) fn linked(account: &Account, status: LinkStatus) -> Known<'_> {
    Known {
        account: Some(account),
        status,
        brought_in: BroughtIn::ByCriteria,
    }
}

#[test]
fn d3_who_is_back_is_reactivated_or_left_out_of_use_by_policy() {
    let user = user(Presence::Present, Completeness::Whole);
    for status in [Status::Deactivated, Status::Deleted] {
        let away = account(status);
        let known = Some(linked(&away, LinkStatus::Disabled));
        let mut rules = rules();
        let back = decide(&user, 42, known, Candidates::default(), &rules, NEW);
        assert_eq!(
            (back.outcome, back.action, back.status),
            (Outcome::Updated, Action::Reactivate, LinkStatus::Active)
        );
        assert_eq!(back.login.is_some(), status == Status::Deleted);
        rules.policies.returning = Returning::Nothing;
        let left = decide(&user, 42, known, Candidates::default(), &rules, NEW);
        assert_ne!(left.action, Action::Reactivate);
        assert_eq!(
            (left.status, left.account),
            (LinkStatus::Active, Some(away.id)),
            "the link follows"
        );
        assert_eq!(left.login, None);
        assert!(left.reason.unwrap().contains("policy for returning"));
    }
}

#[test]
fn d6_what_stays_deleted_claims_no_login() {
    let mut user = user(Presence::Present, Completeness::Whole);
    user.attributes[Attribute::AccountEnabled as usize] = Mention::Value("false".into());
    user.attributes[Attribute::UserPrincipalName as usize] = Mention::Value("anna@contoso.com".into());
    let rules = rules();
    for (status, claims) in [(Status::Deactivated, true), (Status::Deleted, false)] {
        let away = account(status);
        let known = Some(linked(&away, LinkStatus::Disabled));
        let decision = decide(&user, 42, known, Candidates::default(), &rules, NEW);
        assert_eq!(decision.outcome, Outcome::Updated);
        assert_eq!(decision.login.is_some(), claims, "{status:?}");
    }
}

#[test]
fn someone_new_is_added_with_login_and_hash() {
    let (rules, user) = (rules(), user(Presence::Present, Completeness::Whole));
    let decision = decide(&user, 42, None, Candidates::default(), &rules, NEW);
    assert_eq!(
        (decision.outcome, decision.action),
        (Outcome::Added, Action::Create)
    );
    assert_eq!((decision.account, decision.hash), (Some(NEW), 42));
    assert_eq!(
        decision.login,
        Some(LoginKey {
            login: "ann".into(),
            domain: "contoso.com".into()
        })
    );
}

#[test]
fn nothing_new_changes_nothing() {
    let (rules, user) = (rules(), user(Presence::Present, Completeness::Whole));
    let account = account(Status::Active);
    let decision = decide(
        &user,
        42,
        Some(linked(&account, LinkStatus::Active)),
        Candidates::default(),
        &rules,
        NEW,
    );
    assert_eq!((decision.outcome, decision.fields.len()), (Outcome::Unchanged, 0));
}

#[test]
fn disabled_deactivates_and_enabled_reactivates() {
    let rules = rules();
    let mut away = user(Presence::Present, Completeness::Whole);
    away.attributes[Attribute::AccountEnabled as usize] = Mention::Value("false".into());
    let active = account(Status::Active);
    let gone = decide(
        &away,
        1,
        Some(linked(&active, LinkStatus::Active)),
        Candidates::default(),
        &rules,
        NEW,
    );
    assert_eq!(
        (gone.outcome, gone.action),
        (Outcome::Removed, Action::Deactivate)
    );
    assert_eq!(
        (gone.cause, gone.status),
        (Some(Cause::Disabled), LinkStatus::Disabled)
    );

    let back = user(Presence::Present, Completeness::Whole);
    let deactivated = account(Status::Deactivated);
    let again = decide(
        &back,
        1,
        Some(linked(&deactivated, LinkStatus::Disabled)),
        Candidates::default(),
        &rules,
        NEW,
    );
    assert_eq!(
        (again.outcome, again.action),
        (Outcome::Updated, Action::Reactivate)
    );
}

#[test]
fn whom_a_person_deactivated_no_sync_reactivates() {
    let (rules, user) = (rules(), user(Presence::Present, Completeness::Whole));
    let mut account = account(Status::Deactivated);
    account.deactivated_for = None;
    let decision = decide(
        &user,
        1,
        Some(linked(&account, LinkStatus::Active)),
        Candidates::default(),
        &rules,
        NEW,
    );
    assert_eq!(decision.outcome, Outcome::Unchanged);
}

#[test]
fn a_delta_that_says_nothing_of_sign_in_leaves_the_disabled_disabled() {
    let rules = rules();
    let mut row = ObservedUser::new(
        ObjectId(Uuid::from_u128(7)),
        Presence::Present,
        Completeness::Partial,
    );
    row.attributes[Attribute::City as usize] = Mention::Value("Oslo".into());
    let account = account(Status::Deactivated);
    let decision = decide(
        &row,
        0,
        Some(linked(&account, LinkStatus::Disabled)),
        Candidates::default(),
        &rules,
        NEW,
    );
    assert_eq!(
        (decision.outcome, decision.action),
        (Outcome::Updated, Action::Update)
    );
    assert_eq!(decision.status, LinkStatus::Disabled);
}

#[test]
fn a_soft_deleted_leaver_keeps_its_fields() {
    let rules = rules();
    let mut bin = user(Presence::SoftDeleted, Completeness::Partial);
    bin.attributes[Attribute::City as usize] = Mention::Value("Oslo".into());
    let account = account(Status::Active);
    let decision = decide(
        &bin,
        1,
        Some(linked(&account, LinkStatus::Active)),
        Candidates::default(),
        &rules,
        NEW,
    );
    assert_eq!(
        (decision.outcome, decision.cause),
        (Outcome::Removed, Some(Cause::SoftDeleted))
    );
    assert!(decision.fields.is_empty());
}

#[test]
fn disabled_strangers_are_left_out_unless_the_mapping_includes_them() {
    let mut rules = rules();
    let mut user = user(Presence::Present, Completeness::Whole);
    user.attributes[Attribute::AccountEnabled as usize] = Mention::Value("false".into());
    let decision = decide(&user, 1, None, Candidates::default(), &rules, NEW);
    assert_eq!(
        (decision.outcome, decision.skip),
        (Outcome::Skipped, Some(Skip::Disabled))
    );
    rules.mappings[0].include_disabled = true;
    let decision = decide(&user, 1, None, Candidates::default(), &rules, NEW);
    assert_eq!(
        (decision.outcome, decision.action),
        (Outcome::Added, Action::CreateDeactivated)
    );
}

#[test]
fn an_account_of_another_connection_is_not_taken_while_its_object_lives() {
    let (rules, user) = (rules(), user(Presence::Present, Completeness::Whole));
    let accounts = [account(Status::Active)];
    let holder = |status| {
        [Holder {
            account: accounts[0].id,
            connection: ConnectionId(Uuid::from_u128(2)),
            object: ObjectId(Uuid::from_u128(8)),
            status,
        }]
    };
    let alive = holder(LinkStatus::Active);
    let candidates = Candidates {
        accounts: &accounts,
        holders: &alive,
        cuts: &[],
    };
    let refused = decide(&user, 1, None, candidates, &rules, NEW);
    assert_eq!(
        (refused.outcome, refused.rule),
        (Outcome::Failed, Some(Rule::LoginAndDomain))
    );
    let gone = holder(LinkStatus::Gone);
    let candidates = Candidates {
        accounts: &accounts,
        holders: &gone,
        cuts: &[],
    };
    let taken = decide(&user, 1, None, candidates, &rules, NEW);
    assert_eq!(
        (taken.outcome, taken.takes_from),
        (Outcome::Updated, Some(ObjectId(Uuid::from_u128(8))))
    );
}

#[test]
fn a_problem_fails_the_record_and_remembers_nothing() {
    let rules = rules();
    let mut user = user(Presence::Present, Completeness::Whole);
    user.problem = Some("mail is a number, expected text".into());
    let account = account(Status::Active);
    let decision = decide(
        &user,
        1,
        Some(linked(&account, LinkStatus::Active)),
        Candidates::default(),
        &rules,
        NEW,
    );
    assert_eq!((decision.outcome, decision.hash), (Outcome::Failed, 0));
    assert!(decision.reason.is_some_and(|why| why.contains("mail")));
}

#[test]
fn gone_is_asked_about_once_and_then_settled() {
    let rules = rules();
    let active = account(Status::Active);
    let id = ObjectId(Uuid::from_u128(7));
    let first = not_seen(
        id,
        &active,
        LinkStatus::Active,
        rules.policies,
        &rules.never_touch,
    )
    .unwrap();
    assert_eq!((first.outcome, first.action), (Outcome::Held, Action::Deactivate));
    let deactivated = account(Status::Deactivated);
    assert!(
        not_seen(
            id,
            &deactivated,
            LinkStatus::Gone,
            rules.policies,
            &rules.never_touch
        )
        .is_none()
    );
}

fn keeping(kind: &str, value: &str) -> Rules {
    let mut rules = rules();
    rules.never_touch.entries = vec![Entry {
        whom: crate::never_touch::Whom::of(kind, value).unwrap(),
        note: "service".to_owned(),
    }];
    rules
}

#[test]
fn b18_nobody_on_the_never_touch_list_is_touched_whatever_happened_to_them() {
    let object = ObjectId(Uuid::from_u128(7));
    let account = account(Status::Active);
    let mut renamed = user(Presence::Present, Completeness::Whole);
    renamed.attributes[Attribute::DisplayName as usize] = Mention::Value("Other".into());
    let mut broken = user(Presence::Present, Completeness::Whole);
    broken.problem = Some("mail is a number".into());
    let observations = [
        renamed,
        broken,
        user(Presence::SoftDeleted, Completeness::Partial),
        ObservedUser::new(object, Presence::Gone, Completeness::Partial),
    ];
    for (kind, value) in [
        ("object", object.to_string().as_str()),
        ("upn", "ann@*"),
        ("role", "user"),
    ] {
        let rules = keeping(kind, value);
        for observed in &observations {
            let known = Some(linked(&account, LinkStatus::Disabled));
            let decision = decide(observed, 42, known, Candidates::default(), &rules, NEW);
            assert_eq!(
                (decision.outcome, decision.skip, decision.action),
                (Outcome::Skipped, Some(Skip::NeverTouch), Action::None)
            );
            assert_eq!((decision.account, decision.hash), (Some(account.id), 0));
            assert_eq!(
                (decision.status, decision.fields.len()),
                (LinkStatus::Disabled, 0)
            );
            assert_eq!(
                decision.reason.as_deref(),
                Some(format!("on the never-touch list: {kind} {value} (service)").as_str())
            );
        }
        let unseen = not_seen(
            object,
            &account,
            LinkStatus::Active,
            rules.policies,
            &rules.never_touch,
        )
        .unwrap();
        assert_eq!(unseen.skip, Some(Skip::NeverTouch));
    }
}

#[test]
fn b18_strangers_are_neither_created_nor_matched() {
    let user = user(Presence::Present, Completeness::Whole);
    let accounts = [account(Status::Active)];
    let holders = [Holder {
        account: accounts[0].id,
        connection: ConnectionId(Uuid::from_u128(1)),
        object: ObjectId(Uuid::from_u128(8)),
        status: LinkStatus::Gone,
    }];
    let matched = Candidates {
        accounts: &accounts,
        holders: &holders,
        cuts: &[],
    };
    let holder = ObjectId(Uuid::from_u128(8)).to_string();
    for (kind, value, candidates) in [
        ("upn", "ann@contoso.com", Candidates::default()),
        // By the role of the account that a rule matches, and by the object that held it.
        ("role", "user", matched),
        ("object", holder.as_str(), matched),
    ] {
        let rules = keeping(kind, value);
        let decision = decide(&user, 42, None, candidates, &rules, NEW);
        assert_eq!(
            (decision.outcome, decision.skip, decision.account),
            (Outcome::Skipped, Some(Skip::NeverTouch), None),
            "{kind} {value}"
        );
    }
    let rules = keeping("role", "owner");
    let decision = decide(&user, 42, None, matched, &rules, NEW);
    assert_eq!(decision.outcome, Outcome::Updated);
}

#[test]
fn b7_an_account_that_a_person_took_an_object_away_from_is_not_given_back() {
    let (rules, user) = (rules(), user(Presence::Present, Completeness::Whole));
    let accounts = [account(Status::Active)];
    let mut candidates = Candidates {
        accounts: &accounts,
        ..Candidates::default()
    };
    let matched = decide(&user, 1, None, candidates, &rules, NEW);
    assert_eq!(matched.account, Some(accounts[0].id));
    let cuts = [accounts[0].id];
    candidates.cuts = &cuts;
    let decision = decide(&user, 1, None, candidates, &rules, NEW);
    // That its login is taken is found when the run is settled.
    assert_eq!((decision.outcome, decision.account), (Outcome::Added, Some(NEW)));
}

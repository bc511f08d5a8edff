//! Users who become people without a login (I2, M3). They are decided like accounts, by rules of another kind.

use super::*;
use crate::account::Role;
use crate::id::MappingId;
use crate::mapping::{Identifier, Place};
use uuid::Uuid;

const NEW: AccountId = AccountId(Uuid::from_u128(99));

fn rules(identifier: Identifier) -> Rules {
    let place = Place {
        entity: "Contoso".to_owned(),
        collection: "Staff".to_owned(),
    };
    Rules {
        kind: Kind::Person,
        connection: ConnectionId(Uuid::from_u128(1)),
        mappings: vec![Mapping::of_people(
            MappingId(Uuid::nil()),
            "people".to_owned(),
            identifier,
            place,
            Vec::new(),
        )],
        policies: super::tests::rules().policies,
        never_touch: NeverTouch::default(),
    }
}

fn user(mail: Option<&'static str>) -> ObservedUser<'static> {
    let mut user = super::tests::user(Presence::Present, Completeness::Whole);
    user.attributes[Attribute::Mail as usize] = match mail {
        Some(mail) => Mention::Value(mail.into()),
        None => Mention::Cleared,
    };
    user
}

fn person(values: &[(Field, &str)]) -> Account {
    let mut held = [const { None }; Field::COUNT];
    for (field, value) in values {
        held[*field as usize] = Some((*value).to_owned());
    }
    Account {
        id: AccountId(Uuid::from_u128(7)),
        kind: Kind::Person,
        version: 3,
        role: Role::User,
        status: Status::Active,
        deactivated_for: None,
        values: held,
    }
}

#[test]
fn i2_a_person_has_no_login_and_is_told_by_the_identifier() {
    let (rules, user) = (rules(Identifier::Email), user(Some("Ann@Contoso.com")));
    let decision = decide(&user, 42, None, Candidates::default(), &rules, NEW);
    assert_eq!((decision.outcome, decision.kind), (Outcome::Added, Kind::Person));
    let key = decision.login.unwrap();
    assert_eq!(key.login, "ann@contoso.com");
    assert_eq!(key.belongs_to(), Some(("contoso", "staff")));
    let fields: Vec<Field> = decision.fields.iter().map(|change| change.field).collect();
    assert!(!fields.contains(&Field::Login) && fields.contains(&Field::Identifier));
}

#[test]
fn m3_a_blank_identifier_fails_the_record_with_the_reason() {
    let (rules, user) = (rules(Identifier::Email), user(None));
    let decision = decide(&user, 42, None, Candidates::default(), &rules, NEW);
    assert_eq!(decision.outcome, Outcome::Failed);
    assert!(decision.reason.unwrap().contains("unique identifier (email)"));
}

#[test]
fn m3_the_identifier_finds_the_person_of_the_same_collection_only() {
    let (rules, user) = (rules(Identifier::Email), user(Some("ann@contoso.com")));
    for (collection, rule) in [("staff", Some(Rule::Identifier)), ("Guests", None)] {
        let accounts = [person(&[
            (Field::Identifier, "ANN@contoso.com"),
            (Field::Entity, "contoso"),
            (Field::Collection, collection),
        ])];
        let candidates = Candidates {
            accounts: &accounts,
            holders: &[],
            cuts: &[],
        };
        let decision = decide(&user, 42, None, candidates, &rules, NEW);
        assert_eq!(decision.rule, rule, "{collection}");
    }
}

#[test]
fn m3_the_object_id_is_an_identifier_too() {
    let (rules, user) = (rules(Identifier::ObjectId), user(None));
    let decision = decide(&user, 42, None, Candidates::default(), &rules, NEW);
    assert_eq!(decision.login.unwrap().login, user.id.to_string());
}

//! What is exported, read again.

use contracts::v1;
use contracts::v1::document::Kind;
use proptest::prelude::*;

use super::*;

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{1,12}",
        "\\PC{1,8}",
        prop::sample::select(vec![
            "true", "null", "~", "12", "0x1F", "1e3", "yes", "- a", "a: b", "#x", "'", "é", "<<"
        ])
        .prop_map(str::to_owned),
    ]
    .prop_filter("a name has more than blanks", |text| !text.trim().is_empty())
}

fn any_criteria() -> impl Strategy<Value = Vec<v1::Filter>> {
    let clause = (prop::collection::vec(any_text(), 0..3), 1..16i32).prop_map(|(mut values, operator)| {
        let of_group = operator > v1::Operator::Less.into();
        if of_group {
            values = vec![TENANT.to_owned()];
        }
        v1::Clause {
            attribute: if of_group {
                String::new()
            } else {
                "department".to_owned()
            },
            operator,
            values,
        }
    });
    let filter = prop::collection::vec(clause, 1..3).prop_map(|clauses| v1::Filter { clauses });
    prop::collection::vec(filter, 0..3)
}

fn any_people() -> impl Strategy<Value = Kind> {
    (any_text(), any_text(), any_text(), 1..4i32, any_criteria()).prop_map(
        |(name, entity, collection, identifier, criteria)| {
            Kind::Mapping(v1::Mapping {
                name,
                connection: entity.clone(),
                target: v1::MappingTarget::People.into(),
                role: v1::Role::User.into(),
                unique_identifier: identifier,
                entity,
                collection,
                criteria,
                ..v1::Mapping::default()
            })
        },
    )
}

fn any_connection() -> impl Strategy<Value = Kind> {
    let policies = (prop::collection::vec(0..5_i32, 4), 0..3_i32).prop_map(|(policies, returning)| {
        (policies.iter().any(|policy| *policy > 0) || returning > 0).then(|| v1::LeaverPolicies {
            disabled: policies[0],
            soft_deleted: policies[1],
            gone: policies[2],
            out_of_scope: policies[3],
            returning,
        })
    });
    let urls = prop_oneof![
        Just(["", "", ""]),
        Just(["https://login.example", "https://graph.example", ""]),
        Just(["", "", "https://login.example/token"]),
    ];
    let words = (0..5_i32, 0..3_i32, 0..3_i32);
    (any_text(), any_text(), words, policies, urls, 0..200_u32).prop_map(
        |(name, credential, (cloud, deletion_mode, first_run), leavers, urls, number)| {
            let [login_url, graph_url, token_url] = urls.map(str::to_owned);
            Kind::Connection(v1::Connection {
                name,
                tenant_id: TENANT.to_owned(),
                credential,
                // An address takes the cloud's place.
                cloud: if login_url.is_empty() { cloud } else { 0 },
                login_url,
                graph_url,
                token_url,
                deletion_mode,
                leavers,
                brake: Some(v1::Brake {
                    percent: number,
                    count: number,
                    from: 0,
                }),
                first_run,
                ..v1::Connection::default()
            })
        },
    )
}

fn any_schedule() -> impl Strategy<Value = Kind> {
    use v1::schedule::Frequency;
    let frequency = prop_oneof![
        Just(Frequency::Daily(v1::Daily {})),
        Just(Frequency::Once(v1::Once {})),
        any::<u32>().prop_map(Frequency::Hours),
        any::<u32>().prop_map(Frequency::Monthly),
        any_text().prop_map(Frequency::Cron),
        prop::collection::vec(1..8i32, 1..8).prop_map(|days| Frequency::Weekly(v1::Weekly { days })),
    ];
    let toggles = any::<[Option<bool>; 3]>();
    (any_text(), any_text(), frequency, toggles, any::<Option<u32>>()).prop_map(
        |(name, text, frequency, [on, delta, deprovision], hours)| {
            Kind::Schedule(v1::Schedule {
                name,
                connection: text.clone(),
                on,
                frequency: Some(frequency),
                start: text.clone(),
                time_zone: text.clone(),
                delta: (delta.is_some() || hours.is_some()).then_some(v1::ScheduleDelta { on: delta, hours }),
                deprovision: Some(v1::ScheduleDeprovision {
                    on: deprovision,
                    at: text,
                }),
                ..v1::Schedule::default()
            })
        },
    )
}

fn any_documents() -> impl Strategy<Value = Vec<v1::Document>> {
    let mapping = (
        any_text(),
        any_text(),
        any_text(),
        any::<bool>(),
        1..5i32,
        any_criteria(),
    )
        .prop_map(|(name, connection, constant, flag, authority, criteria)| {
            Kind::Mapping(v1::Mapping {
                name,
                connection,
                target: v1::MappingTarget::Accounts.into(),
                role: v1::Role::Admin.into(),
                override_by_email: flag,
                criteria,
                fields: vec![
                    v1::MappingField {
                        field: "company".to_owned(),
                        constant: Some(constant.clone()),
                        authority,
                        ..Default::default()
                    },
                    v1::MappingField {
                        field: "name".to_owned(),
                        attribute: "displayName".to_owned(),
                        default: Some(constant),
                        authority: 1,
                        clear: Some(flag),
                        ..Default::default()
                    },
                ],
                ..v1::Mapping::default()
            })
        });
    let connection = any_connection();
    let passwords = (1..4_i32, any::<[Option<bool>; 4]>(), any::<Option<u32>>()).prop_map(
        |(mode, [must_change, mail, lower, not_login], length)| v1::PasswordSettings {
            mode,
            must_change,
            mail,
            policy: (lower.is_some() || length.is_some()).then_some(v1::PasswordPolicy {
                length,
                lower,
                not_login,
                ..v1::PasswordPolicy::default()
            }),
            ..v1::PasswordSettings::default()
        },
    );
    let settings = (
        prop::collection::vec(any_text(), 0..3),
        any::<Option<bool>>(),
        prop::option::of(passwords),
    )
        .prop_map(|(mail_to, flag, passwords)| {
            Kind::Settings(v1::Settings {
                name: String::new(),
                mail_to,
                mail_on_completion: flag,
                passwords,
            })
        });
    let custom = ("[a-z]{1,9}", 1..5i32)
        .prop_map(|(name, r#type)| Kind::CustomField(v1::CustomField { name, r#type }));
    (
        mapping,
        any_people(),
        custom,
        connection,
        any_schedule(),
        settings,
    )
        .prop_filter("each once", |(one, other, ..)| match (one, other) {
            (Kind::Mapping(one), Kind::Mapping(other)) => one.name != other.name,
            _ => true,
        })
        .prop_map(|(a, b, c, d, e, f)| {
            [a, b, c, d, e, f]
                .map(|kind| v1::Document { kind: Some(kind) })
                .to_vec()
        })
}

proptest! {
    #[test]
    fn what_is_exported_applies_again(documents in any_documents()) {
        let yaml = export::to_yaml(&documents).unwrap();
        let again: Vec<_> = read(&yaml).map_err(|problems| TestCaseError::fail(format!("{problems:?}\n{yaml}")))?
            .into_iter().map(|placed| placed.document).collect();
        prop_assert_eq!(again, documents, "{}", yaml);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,200}") {
        let _ = read(&text);
    }
}

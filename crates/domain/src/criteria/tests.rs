//! Criteria by example, and against an evaluator that does everything the long way.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::attribute::Kind;
use crate::id::ObjectId;
use crate::membership::Membership;
use crate::observed::{Completeness, Mention, Presence};

fn user(completeness: Completeness, values: &[(Attribute, &str)]) -> ObservedUser<'static> {
    let mut user = ObservedUser::new(ObjectId(Uuid::nil()), Presence::Present, completeness);
    for (attribute, value) in values {
        user.attributes[*attribute as usize] = Mention::Value((*value).to_owned().into());
    }
    user
}

fn made(attribute: Attribute, operator: Operator, values: &[&str]) -> Result<Clause, Misfit> {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    AttributeClause::new(attribute, operator, values).map(Clause::Attribute)
}

fn clause(attribute: Attribute, operator: Operator, values: &[&str]) -> Clause {
    made(attribute, operator, values).unwrap()
}

fn criteria(filters: &[&[Clause]]) -> Criteria {
    let filters = filters.iter().map(|clauses| Filter {
        clauses: clauses.to_vec(),
    });
    Criteria {
        filters: filters.collect(),
    }
}

/// Whether the clause holds for someone of whom this one attribute is known.
fn holds(attribute: Attribute, value: &str, operator: Operator, values: &[&str]) -> bool {
    let user = user(Completeness::Whole, &[(attribute, value)]);
    match clause(attribute, operator, values).holds(&user) {
        Truth::Yes => true,
        Truth::No => false,
        Truth::Unknown => panic!("a whole observation tells everything"),
    }
}

#[test]
fn f1_every_operator_says_yes_and_no() {
    use Attribute::{AccountEnabled, Department, EmployeeHireDate, EmployeeId, Manager};
    let id = "6F9619FF-8B86-D011-B42D-00C04FC964FF";
    for (attribute, value, operator, values, expected) in [
        (Department, "Legal", Operator::Equals, vec!["LEGAL"], true),
        (Department, "Legal", Operator::Equals, vec!["Lega"], false),
        (Department, "Straße", Operator::Equals, vec!["STRAßE"], true),
        (Department, "Legal", Operator::NotEquals, vec!["Sales"], true),
        (Department, "Legal", Operator::NotEquals, vec!["legal"], false),
        (Department, "Legal", Operator::In, vec!["Sales", "legal"], true),
        (Department, "Legal", Operator::In, vec!["Sales"], false),
        (Department, "Legal", Operator::StartsWith, vec!["le"], true),
        (Department, "Legal", Operator::StartsWith, vec!["al"], false),
        (Department, "Legal", Operator::EndsWith, vec!["AL"], true),
        (Department, "Legal", Operator::EndsWith, vec!["le"], false),
        (Department, "Legal", Operator::Contains, vec!["EGA"], true),
        (Department, "Legal", Operator::Contains, vec!["x"], false),
        (Department, "Legal", Operator::Regex, vec!["^l.g"], true),
        (Department, "Legal", Operator::Regex, vec!["(?-i)^l.g"], false),
        (Department, "Legal", Operator::IsNull, vec![], false),
        (Department, "Legal", Operator::IsNotNull, vec![], true),
        (AccountEnabled, "true", Operator::IsTrue, vec![], true),
        (AccountEnabled, "true", Operator::IsFalse, vec![], false),
        (AccountEnabled, "false", Operator::Equals, vec!["False"], true),
        (EmployeeId, "10", Operator::Greater, vec!["9"], true),
        (EmployeeId, "9", Operator::Greater, vec!["9"], false),
        (EmployeeId, "nan", Operator::Greater, vec!["9"], false),
        (EmployeeId, "inf", Operator::Greater, vec!["9"], false),
        (EmployeeId, "-1.5", Operator::Less, vec!["-1"], true),
        (EmployeeId, "A7", Operator::Less, vec!["9"], false),
        (
            EmployeeHireDate,
            "2024-05-01T00:00:00Z",
            Operator::Greater,
            vec!["2024-04-30"],
            true,
        ),
        (
            EmployeeHireDate,
            "2024-05-01T00:00:00Z",
            Operator::Less,
            vec!["2024-05-01"],
            false,
        ),
        (
            EmployeeHireDate,
            "2024-05-01T00:00:00Z",
            Operator::Equals,
            vec!["2024-05-01T02:00:00+02:00"],
            true,
        ),
        (
            Manager,
            "6f9619ff-8b86-d011-b42d-00c04fc964ff",
            Operator::Equals,
            vec![id],
            true,
        ),
    ] {
        assert_eq!(
            holds(attribute, value, operator, &values),
            expected,
            "{value:?} {attribute} {operator} {values:?}"
        );
    }
}

#[test]
fn f1_nothing_but_is_null_holds_for_the_empty() {
    let nobody = user(Completeness::Whole, &[]);
    for attribute in Attribute::ALL {
        for operator in Operator::of_kind(attribute.kind()) {
            let value = match (attribute.kind(), operator.arity()) {
                (_, Arity::None) => vec![],
                (Kind::Boolean, _) => vec!["true"],
                (Kind::Reference, _) => vec!["6f9619ff-8b86-d011-b42d-00c04fc964ff"],
                (Kind::Date, _) => vec!["2024-01-01"],
                _ => vec!["7"],
            };
            let holds = clause(attribute, operator, &value).holds(&nobody) == Truth::Yes;
            assert_eq!(holds, operator == Operator::IsNull, "{attribute} {operator}");
        }
    }
}

#[test]
fn f1_a_list_is_asked_item_by_item() {
    let mails = "SMTP:ann@contoso.com\nsmtp:a@fabrikam.com";
    for (operator, value, expected) in [
        (Operator::Equals, "smtp:A@fabrikam.com", true),
        (Operator::NotEquals, "smtp:a@fabrikam.com", false),
        (Operator::NotEquals, "smtp:b@fabrikam.com", true),
        (Operator::EndsWith, "@contoso.com", true),
        (Operator::Contains, "com\nsmtp", false),
        (Operator::Regex, "^smtp:.@", true),
    ] {
        let held = made(Attribute::ProxyAddresses, operator, &[value]).is_ok_and(|clause| {
            clause.holds(&user(Completeness::Whole, &[(Attribute::ProxyAddresses, mails)])) == Truth::Yes
        });
        assert_eq!(held, expected, "{operator} {value:?}");
    }
}

#[test]
fn f1_clauses_are_anded_and_filters_ored_and_what_decided_is_named() {
    let legal = clause(Attribute::Department, Operator::Equals, &["Legal"]);
    let oslo = clause(Attribute::City, Operator::Equals, &["Oslo"]);
    let sales = clause(Attribute::Department, Operator::In, &["Sales", "Support"]);
    let all = criteria(&[&[legal, oslo.clone()], std::slice::from_ref(&sales)]);

    let in_sales = user(Completeness::Whole, &[(Attribute::Department, "Sales")]);
    assert_eq!(all.scope(&in_sales), Scope::In(Some(&all.filters[1])));
    let elsewhere = user(
        Completeness::Whole,
        &[(Attribute::Department, "Legal"), (Attribute::City, "Bergen")],
    );
    assert_eq!(all.scope(&elsewhere), Scope::Out(vec![&oslo, &sales]));
    assert_eq!(
        all.scope(&elsewhere).reason().unwrap(),
        "out of scope: not city equals \"Oslo\", and not department is one of \"Sales\", \"Support\""
    );
    assert_eq!(
        all.scope(&in_sales).reason().unwrap(),
        "in scope: department is one of \"Sales\", \"Support\""
    );
    assert_eq!(Criteria::default().scope(&elsewhere), Scope::In(None));
    assert_eq!(Criteria::default().scope(&elsewhere).reason(), None);
}

#[test]
fn f1_silence_is_no_answer_unless_the_rest_decides() {
    let legal = clause(Attribute::Department, Operator::Equals, &["Legal"]);
    let oslo = clause(Attribute::City, Operator::Equals, &["Oslo"]);
    let both = criteria(&[&[legal.clone(), oslo.clone()]]);
    let either = criteria(&[std::slice::from_ref(&legal), std::slice::from_ref(&oslo)]);
    let silent = user(Completeness::Partial, &[(Attribute::City, "Oslo")]);
    let away = user(Completeness::Partial, &[(Attribute::City, "Bergen")]);
    assert_eq!(both.scope(&silent), Scope::Unknown);
    assert_eq!(both.scope(&away), Scope::Out(vec![&oslo]));
    assert_eq!(either.scope(&silent), Scope::In(Some(&either.filters[1])));
    assert_eq!(either.scope(&away), Scope::Unknown);
}

#[test]
fn f1_what_can_not_be_asked_says_what_can() {
    let why = |attribute, operator, values: &[&str]| made(attribute, operator, values).unwrap_err();
    let misfit = why(Attribute::AccountEnabled, Operator::StartsWith, &["t"]);
    assert_eq!(misfit.part, Part::Operator);
    assert_eq!(
        misfit.problem,
        "\"startsWith\" can't be asked of accountEnabled, which is true or false; use one of equals, notEquals, isNull, \
         isNotNull, isTrue, isFalse"
    );
    for (attribute, operator, values, expected) in [
        (Attribute::City, Operator::Equals, vec![], "is missing; equals"),
        (Attribute::City, Operator::In, vec![], "is missing; in"),
        (Attribute::City, Operator::Equals, vec!["a", "b"], "is a list"),
        (
            Attribute::City,
            Operator::IsNull,
            vec!["a"],
            "can't go with isNull",
        ),
        (
            Attribute::City,
            Operator::Equals,
            vec![" "],
            "is empty; use isNull",
        ),
        (Attribute::City, Operator::Regex, vec!["(a"], "unclosed group"),
        (
            Attribute::City,
            Operator::Regex,
            vec![r"(\w{1000}){1000}"],
            "too large a regular expression",
        ),
        (
            Attribute::City,
            Operator::Greater,
            vec!["tall"],
            "neither a number nor a date",
        ),
        (
            Attribute::EmployeeHireDate,
            Operator::Greater,
            vec!["42"],
            "is no date; write",
        ),
        (
            Attribute::Manager,
            Operator::Equals,
            vec!["Ann"],
            "is no object id",
        ),
        (
            Attribute::AccountEnabled,
            Operator::Equals,
            vec!["yes"],
            "neither true nor false",
        ),
    ] {
        let misfit = why(attribute, operator, &values);
        assert_eq!(misfit.part, Part::Value, "{expected}");
        assert!(
            misfit.problem.contains(expected),
            "{} / {expected}",
            misfit.problem
        );
    }
}

#[test]
fn f1_a_regular_expression_takes_linear_time() {
    // A backtracking engine would need 2^5000 steps.
    let text = "a".repeat(5_000);
    assert!(!holds(
        Attribute::City,
        &text,
        Operator::Regex,
        &["^(a|a)*(a|a)*b$"]
    ));
}

#[test]
fn every_operator_has_a_key_of_its_own() {
    let keys: BTreeMap<&str, Operator> = Operator::ALL.map(|operator| (operator.key(), operator)).into();
    assert_eq!(keys.len(), Operator::ALL.len());
    for (key, operator) in keys {
        assert_eq!(Operator::of_key(key), Some(operator));
    }
}

const ASKED: [Attribute; 5] = [
    Attribute::Department,
    Attribute::EmployeeId,
    Attribute::AccountEnabled,
    Attribute::EmployeeHireDate,
    Attribute::OtherMails,
];
const TEXTS: [&str; 6] = ["a", "A", "ab", "BA", "10", "9.5"];
const DATES: [&str; 4] = [
    "2024-01-01",
    "2024-01-01T00:00:00Z",
    "2023-12-31T23:00:00-02:00",
    "2025-06-01",
];

fn a_value(kind: Kind) -> BoxedStrategy<String> {
    match kind {
        Kind::Boolean => prop_oneof![Just("true"), Just("false")]
            .prop_map(str::to_owned)
            .boxed(),
        Kind::Date => prop::sample::select(&DATES[..]).prop_map(str::to_owned).boxed(),
        Kind::List => prop::collection::vec(prop::sample::select(&TEXTS[..]), 1..3)
            .prop_map(|items| items.join("\n"))
            .boxed(),
        Kind::Text | Kind::Reference => prop::sample::select(&TEXTS[..]).prop_map(str::to_owned).boxed(),
    }
}

fn a_mention(kind: Kind) -> impl Strategy<Value = Mention<'static>> {
    prop_oneof![
        Just(Mention::Unmentioned),
        Just(Mention::Cleared),
        a_value(kind).prop_map(|value| Mention::Value(value.into())),
    ]
}

fn someone(completeness: Completeness) -> impl Strategy<Value = ObservedUser<'static>> {
    let groups = prop::collection::btree_map(1_u128..4, any::<bool>(), 0..3);
    (ASKED.map(|attribute| a_mention(attribute.kind())), groups).prop_map(move |(mentions, groups)| {
        let mut user = user(completeness, &[]);
        let groups = groups.into_iter().map(|(group, direct)| Membership {
            group: ObjectId(Uuid::from_u128(group)),
            direct,
        });
        user.groups = Some(groups.collect());
        for (attribute, mention) in ASKED.into_iter().zip(mentions) {
            user.attributes[attribute as usize] = mention;
        }
        user
    })
}

fn a_clause() -> impl Strategy<Value = Clause> {
    prop_oneof![4 => an_attribute_clause(), 1 => (1_u128..4, any::<bool>()).prop_map(|(group, transitive)| asks(group, transitive))]
}

fn an_attribute_clause() -> impl Strategy<Value = Clause> {
    prop::sample::select(&ASKED[..])
        .prop_flat_map(|attribute| {
            let kind = attribute.kind();
            let operators: Vec<Operator> = Operator::of_kind(kind).collect();
            let one = if kind == Kind::List { Kind::Text } else { kind };
            (
                Just(attribute),
                prop::sample::select(operators),
                prop::collection::vec(a_value(one), 1..3),
            )
        })
        .prop_filter_map(
            "a value that does not fit",
            |(attribute, operator, mut values)| {
                match operator.arity() {
                    Arity::None => values.clear(),
                    Arity::One => values.truncate(1),
                    Arity::Many => (),
                }
                AttributeClause::new(attribute, operator, values)
                    .ok()
                    .map(Clause::Attribute)
            },
        )
}

fn some_criteria() -> impl Strategy<Value = Criteria> {
    prop::collection::vec(prop::collection::vec(a_clause(), 1..4), 0..4).prop_map(|filters| Criteria {
        filters: filters.into_iter().map(|clauses| Filter { clauses }).collect(),
    })
}

/// The same question the long way round, value by value and without anything made ready.
fn naive(criteria: &Criteria, user: &ObservedUser<'_>) -> bool {
    let clause = |clause: &Clause| {
        let clause = match clause {
            Clause::Attribute(clause) => clause,
            Clause::Membership(clause) => {
                let groups = user.groups.as_deref().unwrap_or_default();
                return groups.contains(&Membership {
                    group: clause.group,
                    direct: true,
                }) || clause.transitive && groups.iter().any(|one| one.group == clause.group);
            }
        };
        let attribute = clause.attribute();
        let key = clause.operator().key();
        let Some(value) = user.value(attribute) else {
            return key == "isNull";
        };
        let items: Vec<String> = match attribute.kind() {
            Kind::List => value.split('\n').map(str::to_lowercase).collect(),
            _ => vec![value.to_lowercase()],
        };
        let wanted: Vec<String> = clause.values().iter().map(|value| value.to_lowercase()).collect();
        let seconds = |text: &str| {
            DateTime::parse_from_rfc3339(&text.to_uppercase())
                .map(|at| at.timestamp())
                .ok()
                .or_else(|| {
                    let date: NaiveDate = text.parse().ok()?;
                    Some(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp())
                })
        };
        let same = |one: &str, other: &str| match attribute.kind() {
            Kind::Date => seconds(one) == seconds(other),
            _ => one == other,
        };
        let order = |one: &str, other: &str| match (one.parse::<f64>(), other.parse::<f64>()) {
            (Ok(one), Ok(other)) => one.partial_cmp(&other),
            (Err(_), Err(_)) => Some(seconds(one)?.cmp(&seconds(other)?)),
            _ => None,
        };
        let any = |test: &dyn Fn(&str, &str) -> bool| {
            items
                .iter()
                .any(|item| wanted.iter().any(|wanted| test(item, wanted)))
        };
        match key {
            "equals" | "in" => any(&same),
            "notEquals" => !any(&same),
            "startsWith" => any(&|item, part| item.starts_with(part)),
            "endsWith" => any(&|item, part| item.ends_with(part)),
            "contains" => any(&|item, part| item.contains(part)),
            // The expressions here are plain texts, or have a dot for any one character.
            "regex" => any(&|item, wanted| {
                let (item, wanted): (Vec<char>, Vec<char>) =
                    (item.chars().collect(), wanted.chars().collect());
                item.windows(wanted.len()).any(|part| {
                    part.iter()
                        .zip(&wanted)
                        .all(|(one, other)| *other == '.' || one == other)
                })
            }),
            "isNull" => false,
            "isNotNull" => true,
            "isTrue" => value == "true",
            "isFalse" => value == "false",
            "greater" => order(&items[0], &wanted[0]) == Some(std::cmp::Ordering::Greater),
            "less" => order(&items[0], &wanted[0]) == Some(std::cmp::Ordering::Less),
            other => panic!("{other}"),
        }
    };
    criteria.filters.is_empty()
        || criteria
            .filters
            .iter()
            .any(|filter| filter.clauses.iter().all(clause))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn f1_it_says_what_the_naive_evaluator_says(
        criteria in some_criteria(),
        user in someone(Completeness::Whole),
    ) {
        let scope = criteria.scope(&user);
        prop_assert_ne!(&scope, &Scope::Unknown);
        prop_assert_eq!(matches!(scope, Scope::In(_)), naive(&criteria, &user), "{}", criteria);
    }

    #[test]
    fn f1_what_decided_does_not_hold_or_all_of_it_does(
        criteria in some_criteria(),
        user in someone(Completeness::Whole),
    ) {
        match criteria.scope(&user) {
            Scope::In(None) => prop_assert!(criteria.take_everyone()),
            Scope::In(Some(filter)) => {
                prop_assert!(filter.clauses.iter().all(|clause| clause.holds(&user) == Truth::Yes));
            }
            Scope::Out(clauses) => {
                prop_assert_eq!(clauses.len(), criteria.filters.len());
                prop_assert!(clauses.iter().all(|clause| clause.holds(&user) == Truth::No));
            }
            Scope::Unknown => prop_assert!(false),
        }
    }

    /// Whatever the silent attributes turn out to be, a decision that was taken stands.
    #[test]
    fn f1_what_a_row_leaves_out_overturns_no_decision(
        criteria in some_criteria(),
        row in someone(Completeness::Partial),
        rest in someone(Completeness::Whole),
    ) {
        let mut whole = row.clone();
        whole.completeness = Completeness::Whole;
        for attribute in ASKED {
            if *row.mention(attribute) == Mention::Unmentioned {
                whole.attributes[attribute as usize] = rest.mention(attribute).clone();
            }
        }
        let now = matches!(criteria.scope(&whole), Scope::In(_));
        match criteria.scope(&row) {
            Scope::In(_) => prop_assert!(now),
            Scope::Out(_) => prop_assert!(!now),
            Scope::Unknown => (),
        }
    }
}

fn asks(group: u128, transitive: bool) -> Clause {
    Clause::Membership(MembershipClause {
        group: ObjectId(Uuid::from_u128(group)),
        transitive,
    })
}

#[test]
fn b10_direct_and_transitive_are_told_apart() {
    let mut member = user(Completeness::Partial, &[]);
    let of = |group: u128, direct| Membership {
        group: ObjectId(Uuid::from_u128(group)),
        direct,
    };
    member.groups = Some(vec![of(1, true), of(2, false)].into());
    for (group, transitive, expected) in [
        (1, false, Truth::Yes),
        (1, true, Truth::Yes),
        (2, false, Truth::No),
        (2, true, Truth::Yes),
        (3, true, Truth::No),
    ] {
        assert_eq!(
            asks(group, transitive).holds(&member),
            expected,
            "{group} {transitive}"
        );
    }
    member.groups = None;
    assert_eq!(asks(1, true).holds(&member), Truth::Unknown);
}

#[test]
fn f1_a_group_and_an_attribute_decide_together_and_are_told() {
    let both = criteria(&[&[
        asks(1, true),
        clause(Attribute::Department, Operator::Equals, &["Legal"]),
    ]]);
    let legal = user(Completeness::Whole, &[(Attribute::Department, "Legal")]);
    assert_eq!(
        both.scope(&legal).reason().unwrap(),
        "out of scope: not transitive member of 00000000-0000-0000-0000-000000000001"
    );
    let groups: Vec<ObjectId> = both.groups().collect();
    assert_eq!(groups, [ObjectId(Uuid::from_u128(1))]);
    assert_eq!(
        asks(1, false).to_string(),
        "member of 00000000-0000-0000-0000-000000000001"
    );
}

#[test]
fn b10_a_membership_clause_takes_one_group() {
    let made = |values: &[&str]| {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        MembershipClause::new(true, &values).map_err(|misfit| misfit.problem)
    };
    let id = "00000000-0000-0000-0000-000000000001";
    assert_eq!(made(&[id]).unwrap().group, ObjectId(Uuid::from_u128(1)));
    for (values, told) in [
        (&[][..], "is missing; transitiveMemberOf needs"),
        (&["Sales"], "\"Sales\" is no object id"),
        (&[id, id], "is a list"),
    ] {
        let problem = made(values).unwrap_err();
        assert!(problem.contains(told), "{problem}");
    }
    assert_eq!(MembershipClause::transitive_of_key("memberOf"), Some(false));
    assert_eq!(MembershipClause::transitive_of_key("equals"), None);
}

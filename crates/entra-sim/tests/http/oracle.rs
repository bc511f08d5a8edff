//! What the snapshot says is what lists and deltas say, whatever happened.

use crate::support::Visit;
use entra_sim::{Operation, Snapshot};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const PROPERTIES: &str = "id,userPrincipalName,displayName,givenName,surname,mail,mailNickname,accountEnabled,userType,\
    jobTitle,department,companyName,officeLocation,employeeId,employeeType,employeeHireDate,employeeOrgData,\
    businessPhones,mobilePhone,faxNumber,streetAddress,city,state,postalCode,country,usageLocation,preferredLanguage,\
    proxyAddresses,otherMails,imAddresses,creationType,externalUserState,createdDateTime,lastPasswordChangeDateTime,\
    ageGroup,consentProvidedForMinor,legalAgeGroupClassification,onPremisesUserPrincipalName,onPremisesDomainName,\
    onPremisesSamAccountName,onPremisesImmutableId,onPremisesDistinguishedName,onPremisesSecurityIdentifier,\
    onPremisesSyncEnabled";

type Known = BTreeMap<String, Map<String, Value>>;

/// The selected part of the snapshot.
fn expected(visit: &Visit) -> Known {
    let selected: Vec<&str> = PROPERTIES.split(',').chain(["manager"]).collect();
    let keep = |user: Snapshot| {
        let attributes = user
            .attributes
            .into_iter()
            .filter(|(name, value)| selected.contains(&name.as_str()) && *value != json!([]));
        (user.id, attributes.collect())
    };
    visit.tenant.users().into_iter().map(keep).collect()
}

/// A listed user in the form of a snapshot.
fn listed(row: &Value) -> (String, Map<String, Value>) {
    let set = row
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, value)| !value.is_null() && **value != json!([]));
    let mut attributes: Map<String, Value> = set.map(|(name, value)| (name.clone(), value.clone())).collect();
    if let Some(manager) = row.get("manager") {
        attributes.insert("manager".into(), manager["id"].clone());
    }
    (row["id"].as_str().unwrap().to_owned(), attributes)
}

/// Applies a delta row as a client would.
fn merge(known: &mut Known, row: &Value) {
    let id = row["id"].as_str().unwrap().to_owned();
    if row.get("@removed").is_some() {
        known.remove(&id);
        return;
    }
    let user = known.entry(id).or_default();
    for (name, value) in row.as_object().unwrap() {
        let (name, value) = match name.as_str() {
            "manager@delta" if value[0].get("@removed").is_some() => ("manager", Value::Null),
            "manager@delta" => ("manager", value[0]["id"].clone()),
            other => (other, value.clone()),
        };
        if value.is_null() || value == json!([]) {
            user.remove(name);
        } else {
            user.insert(name.to_owned(), value);
        }
    }
}

/// One change, chosen by a number.
fn change(visit: &Visit, number: usize) {
    let counts = visit.tenant.counts();
    let live = |number: usize| {
        visit
            .tenant
            .snapshots(false, number % counts.live as usize, 1)
            .remove(0)
            .id
    };
    let (user, other) = (live(number * 7_919), live(number * 104_729));
    let operation = match number % 11 {
        0 => Operation::SoftDelete { user },
        1 if counts.deleted > 0 => {
            let user = visit
                .tenant
                .snapshots(true, number % counts.deleted, 1)
                .remove(0)
                .id;
            let user_principal_name = Some(format!("restored{number}@contoso.com"));
            Operation::Restore {
                user,
                user_principal_name,
            }
        }
        2 => Operation::HardDelete { user },
        3 => Operation::Recreate { user },
        4 => Operation::SwapPrincipalNames { user, other },
        5 => Operation::SetManager {
            user,
            manager: Some(other),
        },
        6 => Operation::SetManager { user, manager: None },
        7 => update(
            user,
            json!({"jobTitle": null, "otherMails": null, "employeeOrgData": null}),
        ),
        8 => update(
            user,
            json!({"displayName": format!("Name {number}"), "accountEnabled": number.is_multiple_of(2)}),
        ),
        9 => Operation::Create {
            attributes: object(
                json!({"userPrincipalName": format!("new{number}@contoso.com"), "displayName": "New"}),
            ),
        },
        _ => Operation::ChangeMany { count: 5 },
    };
    visit.tenant.apply(&operation).unwrap();
}

fn update(user: String, attributes: Value) -> Operation {
    Operation::Update {
        user,
        attributes: object(attributes),
    }
}

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(map) = value else {
        panic!("{value} is no object")
    };
    map
}

#[tokio::test]
async fn lists_and_deltas_agree_with_the_snapshot() {
    let visit = Visit::to(400).await;
    visit.tenant.set(|settings| settings.delta_page_size = 13);
    let list = format!("users?$select={PROPERTIES}&$expand=manager($select=id)&$top=150");
    let (rows, mut link) = visit
        .all(&format!("users/delta?$select={PROPERTIES},manager"))
        .await;
    let mut known = Known::new();
    for row in &rows {
        merge(&mut known, row);
    }
    assert_eq!(known, expected(&visit));
    for round in 0..8 {
        for number in 0..=round * 9 {
            change(&visit, round * 1_000 + number);
        }
        let now = expected(&visit);
        assert_eq!(
            visit.all(&list).await.0.iter().map(listed).collect::<Known>(),
            now,
            "round {round}"
        );
        let (rows, next) = visit.all(&link.unwrap()).await;
        for row in &rows {
            merge(&mut known, row);
        }
        assert_eq!(known, now, "round {round}");
        link = next;
    }
}

#[tokio::test]
async fn the_same_seed_makes_the_same_tenant() {
    let (first, second) = (Visit::to(300).await, Visit::to(300).await);
    let page =
        "users?$select=id,userPrincipalName,displayName,mail,onPremisesImmutableId,createdDateTime&$top=300";
    assert_eq!(first.get(page).await.rows(), second.get(page).await.rows());
    let other = Visit::of(entra_sim::Options::generate(43, 300)).await;
    assert_ne!(first.get(page).await.rows(), other.get(page).await.rows());
}

#[tokio::test]
async fn a_tenant_is_as_mixed_as_a_real_one() {
    let visit = Visit::to(10_000).await;
    let users = visit.tenant.users();
    let share = |test: &dyn Fn(&Snapshot) -> bool| users.iter().filter(|user| test(user)).count();
    let is =
        |name: &'static str, value: Value| move |user: &Snapshot| user.attributes.get(name) == Some(&value);
    let within = |low: usize, high: usize, count: usize| assert!((low..high).contains(&count), "{count}");
    within(400, 600, share(&is("userType", json!("Guest"))));
    within(2_600, 3_300, share(&is("onPremisesSyncEnabled", json!(true))));
    within(200, 400, share(&is("accountEnabled", json!(false))));
    within(
        8_700,
        9_500,
        share(&|user| user.attributes.contains_key("manager")),
    );
    within(300, 700, share(&|user| !user.attributes.contains_key("mail")));
    for script in [
        'a'..='z',
        'à'..='ÿ',
        'а'..='я',
        'α'..='ω',
        'ا'..='ي',
        'א'..='ת',
        '一'..='鿿',
        '가'..='힣',
        'अ'..='ह',
    ] {
        let written = |user: &Snapshot| {
            user.attributes["displayName"]
                .as_str()
                .unwrap()
                .chars()
                .any(|letter| script.contains(&letter))
        };
        assert!(share(&written) > 100, "{script:?}");
    }
    let several = |user: &Snapshot| {
        user.attributes
            .get("proxyAddresses")
            .is_some_and(|list| list.as_array().unwrap().len() > 2)
    };
    within(2_000, 9_000, share(&several));
    let mut accounts: Vec<String> = users
        .iter()
        .filter_map(|user| {
            let part = |name: &str| {
                user.attributes
                    .get(name)
                    .and_then(Value::as_str)
                    .map(str::to_lowercase)
            };
            Some(format!(
                "{}\\{}",
                part("onPremisesDomainName")?,
                part("onPremisesSamAccountName")?
            ))
        })
        .collect();
    let count = accounts.len();
    accounts.sort_unstable();
    accounts.dedup();
    assert_eq!(accounts.len(), count, "unique in their domain");
    assert!(
        accounts
            .iter()
            .all(|account| account.split('\\').nth(1).unwrap().len() <= 20)
    );
}

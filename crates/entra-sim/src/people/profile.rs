//! Attributes of a generated user that say who it is. Each writer returns false, and writes nothing, for a value
//! that was never set.

use super::person::{Kind, Person, stream};
use crate::json::Json;
use chrono::{DateTime, TimeDelta, Utc};

/// Seconds from 2012-01-01 to 2026-01-01: accounts are created between.
const CREATED_FROM: i64 = 1_325_376_000;
const CREATED_FOR: u64 = 441_763_200;

/// `displayName`
pub fn display_name(person: &Person<'_>, json: &mut Json) -> bool {
    json.string(&person.display_name());
    true
}

/// `givenName`
pub fn given_name(person: &Person<'_>, json: &mut Json) -> bool {
    person_name(person, person.given.0, json)
}

/// `surname`
pub fn surname(person: &Person<'_>, json: &mut Json) -> bool {
    person_name(person, person.surname.0, json)
}

fn person_name(person: &Person<'_>, name: &str, json: &mut Json) -> bool {
    // Invited guests often bring nothing but a display name.
    let known = match person.kind {
        Kind::Member => true,
        Kind::Guest => person.chance(stream::ATTRIBUTE, 50),
        Kind::Shared => false,
    };
    if known {
        json.string(name);
    }
    known
}

/// `userPrincipalName`
pub fn principal_name(person: &Person<'_>, json: &mut Json) -> bool {
    json.string(&person.principal_name());
    true
}

/// `accountEnabled`
pub fn account_enabled(person: &Person<'_>, json: &mut Json) -> bool {
    json.boolean(person.enabled());
    true
}

/// `userType`
pub fn user_type(person: &Person<'_>, json: &mut Json) -> bool {
    json.raw(if person.kind == Kind::Guest {
        "\"Guest\""
    } else {
        "\"Member\""
    });
    true
}

/// `creationType`
pub fn creation_type(person: &Person<'_>, json: &mut Json) -> bool {
    if person.kind == Kind::Guest {
        json.raw("\"Invitation\"");
    }
    person.kind == Kind::Guest
}

/// `externalUserState`
pub fn external_user_state(person: &Person<'_>, json: &mut Json) -> bool {
    if person.kind == Kind::Guest {
        json.raw(if person.chance(stream::ATTRIBUTE + 1, 20) {
            "\"PendingAcceptance\""
        } else {
            "\"Accepted\""
        });
    }
    person.kind == Kind::Guest
}

/// `externalUserStateChangeDateTime`
pub fn external_user_state_change(person: &Person<'_>, json: &mut Json) -> bool {
    if person.kind == Kind::Guest {
        json.date(created(person) + TimeDelta::hours(5));
    }
    person.kind == Kind::Guest
}

/// `createdDateTime`; a few old accounts have none.
pub fn created_date(person: &Person<'_>, json: &mut Json) -> bool {
    let known = !person.chance(stream::ATTRIBUTE + 2, 1);
    if known {
        json.date(created(person));
    }
    known
}

/// `lastPasswordChangeDateTime`
pub fn last_password_change(person: &Person<'_>, json: &mut Json) -> bool {
    json.date(created(person) + TimeDelta::seconds(span(person.draw(stream::ATTRIBUTE + 3), 20_000_000)));
    true
}

/// `deletedDateTime` of a user who is soft-deleted from the start: within the thirty days of retention.
pub fn deleted(person: &Person<'_>) -> DateTime<Utc> {
    person.generation.started - TimeDelta::seconds(span(person.draw(stream::ATTRIBUTE + 4), 27 * 86_400))
}

/// `employeeHireDate`
pub fn hire_date(person: &Person<'_>, json: &mut Json) -> bool {
    let known = person.kind == Kind::Member && person.chance(stream::ATTRIBUTE + 5, 80);
    if known {
        let day = created(person).timestamp() / 86_400 - span(person.draw(stream::ATTRIBUTE + 6), 30);
        json.date(DateTime::from_timestamp(day * 86_400, 0).unwrap_or_default());
    }
    known
}

/// `preferredLanguage`
pub fn preferred_language(person: &Person<'_>, json: &mut Json) -> bool {
    let known = person.kind == Kind::Member && person.chance(stream::ATTRIBUTE + 7, 75);
    if known {
        json.string(person.place.language);
    }
    known
}

/// `usageLocation`
pub fn usage_location(person: &Person<'_>, json: &mut Json) -> bool {
    let known = person.kind != Kind::Guest && person.chance(stream::ATTRIBUTE + 8, 95);
    if known {
        json.string(person.place.code);
    }
    known
}

/// `ageGroup`
pub fn age_group(person: &Person<'_>, json: &mut Json) -> bool {
    one_in_fifty(person, "\"NotAdult\"", json)
}

/// `consentProvidedForMinor`
pub fn consent_for_minor(person: &Person<'_>, json: &mut Json) -> bool {
    one_in_fifty(person, "\"Granted\"", json)
}

/// `legalAgeGroupClassification`
pub fn legal_age_group(person: &Person<'_>, json: &mut Json) -> bool {
    one_in_fifty(person, "\"MinorWithParentalConsent\"", json)
}

fn one_in_fifty(person: &Person<'_>, value: &str, json: &mut Json) -> bool {
    let known = person.kind == Kind::Member && person.chance(stream::ATTRIBUTE + 9, 2);
    if known {
        json.raw(value);
    }
    known
}

/// `identities`
pub fn identities(person: &Person<'_>, json: &mut Json) -> bool {
    json.raw("[{\"signInType\":\"userPrincipalName\",\"issuer\":");
    json.string(person.domain());
    json.raw(",\"issuerAssignedId\":");
    json.string(&person.principal_name());
    json.raw("}]");
    true
}

/// `assignedLicenses`
pub fn assigned_licenses(person: &Person<'_>, json: &mut Json) -> bool {
    let licensed = person.kind == Kind::Member && person.enabled();
    if licensed {
        json.raw("[{\"disabledPlans\":[],\"skuId\":\"cbdc14ab-d96c-4c30-b9f4-6ada7cdc1d46\"}]");
    }
    licensed
}

/// `passwordPolicies`
pub fn password_policies(person: &Person<'_>, json: &mut Json) -> bool {
    let shared = person.kind == Kind::Shared;
    if shared {
        json.raw("\"DisablePasswordExpiration\"");
    }
    shared
}

/// `securityIdentifier`: the cloud SID, made of the object id's four words.
pub fn security_identifier(person: &Person<'_>, json: &mut Json) -> bool {
    let id = person.generation.id(person.slot).as_u128();
    json.raw("\"S-1-12-1");
    for shift in [96, 64, 32, 0] {
        json.raw("-");
        json.number(u64::try_from((id >> shift) & 0xffff_ffff).unwrap_or_default(), 1);
    }
    json.raw("\"");
    true
}

/// When the account was created.
fn created(person: &Person<'_>) -> DateTime<Utc> {
    let seconds = CREATED_FROM + span(person.draw(stream::ATTRIBUTE + 10), CREATED_FOR);
    DateTime::from_timestamp(seconds, 0).unwrap_or_default()
}

fn span(hash: u64, limit: u64) -> i64 {
    i64::try_from(hash % limit).expect("limits are far below 63 bits")
}

//! Attributes of a generated user that a synchronisation from on-premises sets. Each writer returns false, and
//! writes nothing, for a user who was never synchronised.

use super::identifier::below;
use super::organization::department_of;
use super::person::{Person, stream};
use crate::json::Json;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;

const AT: u64 = stream::ATTRIBUTE + 300;

/// Directories on premises: DNS name and its distinguished form.
static FORESTS: [(&str, &str); 3] = [
    ("corp.contoso.com", "DC=corp,DC=contoso,DC=com"),
    ("emea.corp.contoso.com", "DC=emea,DC=corp,DC=contoso,DC=com"),
    ("ad.fabrikam.example", "DC=ad,DC=fabrikam,DC=example"),
];

fn forest(person: &Person<'_>) -> &'static (&'static str, &'static str) {
    person.pick(AT, &FORESTS)
}

/// `onPremisesSyncEnabled`: true for those synchronised, false for a few who were, else never set (graph-facts §2.3).
pub fn sync_enabled(person: &Person<'_>, json: &mut Json) -> bool {
    let was = person.chance(AT + 1, 1);
    if person.synced() || was {
        json.boolean(person.synced());
    }
    person.synced() || was
}

/// `onPremisesDomainName`
pub fn domain_name(person: &Person<'_>, json: &mut Json) -> bool {
    if person.synced() {
        json.string(forest(person).0);
    }
    person.synced()
}

/// `onPremisesSamAccountName`: twenty characters at most, unique in its domain by the number at its end.
pub fn sam_account_name(person: &Person<'_>, json: &mut Json) -> bool {
    if person.synced() {
        let letters = |name: &'static str, count| name.chars().filter(char::is_ascii_alphabetic).take(count);
        let stem: String = letters(person.surname.1, 6)
            .chain(letters(person.given.1, 2))
            .collect();
        json.raw("\"");
        json.raw(&stem);
        json.number(u64::from(person.slot), 1);
        json.raw("\"");
    }
    person.synced()
}

/// `onPremisesUserPrincipalName`
pub fn principal_name(person: &Person<'_>, json: &mut Json) -> bool {
    if person.synced() {
        let local_only = person.chance(AT + 2, 15);
        let domain = if local_only {
            forest(person).0
        } else {
            person.domain()
        };
        json.string(&format!("{}@{domain}", person.local()));
    }
    person.synced()
}

/// `onPremisesImmutableId`: base64 of a GUID's bytes in Windows order (graph-facts §11, 17); rarely free text.
pub fn immutable_id(person: &Person<'_>, json: &mut Json) -> bool {
    if !person.synced() {
        return false;
    }
    json.raw("\"");
    if person.chance(AT + 3, 1) {
        json.raw("legacy-anchor-");
        json.number(u64::from(person.slot), 6);
    } else {
        let guid = (u128::from(person.draw(AT + 4)) << 64) | u128::from(person.draw(AT + 5));
        let bytes = uuid::Builder::from_random_bytes(guid.to_be_bytes())
            .into_uuid()
            .to_bytes_le();
        let mut text = [0; 24];
        let length = STANDARD
            .encode_slice(bytes, &mut text)
            .expect("16 bytes are 24 characters");
        json.0.extend_from_slice(&text[..length]);
    }
    json.raw("\"");
    true
}

/// `onPremisesDistinguishedName`
pub fn distinguished_name(person: &Person<'_>, json: &mut Json) -> bool {
    if person.synced() {
        json.raw("\"CN=");
        json.text(&person.display_name().replace('"', "\\\""));
        json.raw(",OU=");
        json.text(department_of(person).unwrap_or("Users"));
        json.raw(",OU=People,");
        json.raw(forest(person).1);
        json.raw("\"");
    }
    person.synced()
}

/// `onPremisesSecurityIdentifier`
pub fn security_identifier(person: &Person<'_>, json: &mut Json) -> bool {
    if person.synced() {
        json.raw("\"S-1-5-21-1004336348-1177238915-682003330-");
        json.number(u64::from(person.slot) + 1_104, 1);
        json.raw("\"");
    }
    person.synced()
}

/// `onPremisesLastSyncDateTime`: within the half hour before the tenant started.
pub fn last_sync(person: &Person<'_>, json: &mut Json) -> bool {
    if person.synced() {
        let ago = TimeDelta::seconds(i64::from(below(person.draw(AT + 6), 1_800)));
        json.date(person.generation.started - ago);
    }
    person.synced()
}

/// `onPremisesExtensionAttributes`
pub fn extension_attributes(person: &Person<'_>, json: &mut Json) -> bool {
    if person.synced() {
        json.raw("{\"extensionAttribute1\":\"");
        json.number(u64::from(below(person.draw(AT + 7), 90_000)) + 10_000, 5);
        json.raw("\"");
        for number in 2..16 {
            json.raw(",\"extensionAttribute");
            json.number(number, 1);
            json.raw("\":null");
        }
        json.raw("}");
    }
    person.synced()
}

//! Attributes of a generated user that say how to reach it. Each writer returns false, and writes nothing, for a
//! value that was never set.

use super::identifier::below;
use super::person::{Kind, Person, stream};
use crate::json::Json;

const AT: u64 = stream::ATTRIBUTE + 200;

/// The mail address. Shared accounts, and a few members, have none (graph-facts §11, 14).
fn address(person: &Person<'_>) -> Option<String> {
    match person.kind {
        Kind::Shared => None,
        Kind::Guest => Some(person.home()),
        Kind::Member => match below(person.draw(stream::MAIL), 100) {
            0..3 => None,
            // It need not equal the principal name.
            3..8 => Some(format!("{}.ext@{}", person.local(), person.domain())),
            _ => Some(format!("{}@{}", person.local(), person.domain())),
        },
    }
}

/// `mail`
pub fn mail(person: &Person<'_>, json: &mut Json) -> bool {
    let address = address(person);
    if let Some(address) = &address {
        json.string(address);
    }
    address.is_some()
}

/// `mailNickname`
pub fn mail_nickname(person: &Person<'_>, json: &mut Json) -> bool {
    match person.kind {
        Kind::Guest => json.string(&format!("{}#EXT#", person.home().replace('@', "_"))),
        _ => json.string(&person.local()),
    }
    true
}

/// `proxyAddresses`: the primary, aliases, and other kinds of addresses.
pub fn proxy_addresses(person: &Person<'_>, json: &mut Json) -> bool {
    let Some(address) = address(person) else {
        return false;
    };
    json.raw("[\"SMTP:");
    json.text(&address);
    if person.kind == Kind::Member {
        let local = person.local();
        let domains = &person.generation.domains;
        // Domains: the default one, the initial one, another one. Nobody has an address twice.
        for (prefix, domain, percent) in [("SIP:", 0, 60), ("smtp:", 1, 100), ("smtp:", 2, 40)] {
            let Some(domain) = domains.get(domain) else {
                continue;
            };
            let alias = format!("{local}@{domain}");
            if person.chance(AT, percent) && (prefix == "SIP:" || alias != address) {
                json.raw("\",\"");
                json.raw(prefix);
                json.text(&alias);
            }
        }
        if person.chance(AT + 1, 15) {
            json.raw(
                "\",\"X500:/o=Contoso/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients/cn=",
            );
            json.text(&local);
        }
    }
    json.raw("\"]");
    true
}

/// `otherMails`
pub fn other_mails(person: &Person<'_>, json: &mut Json) -> bool {
    let known = match person.kind {
        Kind::Guest => true,
        Kind::Member => person.chance(AT + 2, 12),
        Kind::Shared => false,
    };
    if known {
        json.raw("[");
        match person.kind {
            Kind::Guest => json.string(&person.home()),
            _ => json.string(&format!("{}@mail.example", person.local())),
        }
        json.raw("]");
    }
    known
}

/// `imAddresses`
pub fn im_addresses(person: &Person<'_>, json: &mut Json) -> bool {
    let known = person.kind == Kind::Member && person.chance(AT + 3, 60);
    if known {
        json.raw("[\"sip:");
        json.text(&person.local());
        json.raw("@");
        json.text(person.domain());
        json.raw("\"]");
    }
    known
}

/// `businessPhones`: one at most.
pub fn business_phones(person: &Person<'_>, json: &mut Json) -> bool {
    let known = person.kind != Kind::Guest && person.chance(AT + 4, 70);
    if known {
        json.raw("[\"");
        phone(person, 5, json);
        json.raw("\"]");
    }
    known
}

/// `mobilePhone`
pub fn mobile_phone(person: &Person<'_>, json: &mut Json) -> bool {
    text_phone(person, 6, 60, json)
}

/// `faxNumber`
pub fn fax_number(person: &Person<'_>, json: &mut Json) -> bool {
    text_phone(person, 8, 5, json)
}

fn text_phone(person: &Person<'_>, at: u64, percent: u32, json: &mut Json) -> bool {
    let known = person.kind == Kind::Member && person.chance(AT + at, percent);
    if known {
        json.raw("\"");
        phone(person, at + 1, json);
        json.raw("\"");
    }
    known
}

fn phone(person: &Person<'_>, at: u64, json: &mut Json) {
    json.raw(person.place.dial);
    json.number(u64::from(below(person.draw(AT + at), 10_000)), 4);
}

fn located(person: &Person<'_>) -> bool {
    person.kind != Kind::Guest && person.chance(AT + 10, 90)
}

/// `streetAddress`
pub fn street_address(person: &Person<'_>, json: &mut Json) -> bool {
    if located(person) {
        json.raw("\"");
        json.text(person.place.street);
        json.raw(" ");
        json.number(u64::from(below(person.draw(AT + 11), 150)) + 1, 1);
        json.raw("\"");
    }
    located(person)
}

/// `city`
pub fn city(person: &Person<'_>, json: &mut Json) -> bool {
    if located(person) {
        json.string(person.place.city);
    }
    located(person)
}

/// `state`
pub fn state(person: &Person<'_>, json: &mut Json) -> bool {
    let state = person.place.state.filter(|_| located(person));
    if let Some(state) = state {
        json.string(state);
    }
    state.is_some()
}

/// `postalCode`
pub fn postal_code(person: &Person<'_>, json: &mut Json) -> bool {
    if located(person) {
        json.raw("\"");
        json.text(person.place.postal);
        json.number(u64::from(below(person.draw(AT + 12), 100)), 2);
        json.raw("\"");
    }
    located(person)
}

/// `country`
pub fn country(person: &Person<'_>, json: &mut Json) -> bool {
    if located(person) {
        json.string(person.place.country);
    }
    located(person)
}

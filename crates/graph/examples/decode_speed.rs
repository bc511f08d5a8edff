//! How many users a second one core decodes: `cargo run --release -p rollcall-graph --example decode_speed`.

use std::fmt::Write;
use std::time::Instant;

use rollcall_graph::{PageBody, Shape};

const USERS: usize = 999;
const ROUNDS: usize = 300;

fn main() -> Result<(), rollcall_graph::Error> {
    let page = page();
    let bytes = page.len();
    println!("{USERS} users in {bytes} bytes, {} bytes each", bytes / USERS);
    for _ in 0..5 {
        let began = Instant::now();
        let mut users = 0;
        for number in 1..=ROUNDS {
            let body = PageBody::of_bytes(page.clone().into_bytes(), Shape::Listing, 1, number.to_string())?;
            users += body.users()?.users.len();
        }
        let seconds = began.elapsed().as_secs_f64();
        println!(
            "{:.0} users/s, {:.0} MB/s",
            rate(users, seconds),
            rate(bytes * ROUNDS, seconds) / 1e6
        );
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a rate that people read")]
fn rate(count: usize, seconds: f64) -> f64 {
    count as f64 / seconds
}

/// A page as Graph renders it, with every attribute selected; about half of them empty.
fn page() -> String {
    let mut page = String::from(
        r#"{"@odata.context":"x","@odata.nextLink":"https://graph/v1.0/users?$skiptoken=x","value":["#,
    );
    for number in 0..USERS {
        let comma = if number == 0 { "" } else { "," };
        // Writing to a String can't fail.
        let _ = write!(
            page,
            r##"{comma}{{"id":"6ea91a8d-e32e-41a1-b7bd-{number:012x}","userPrincipalName":"zoe.müller{number}@contoso.com","displayName":"Zoë \"Zo\" Müller {number}","givenName":"Zoë","surname":"Müller","mail":"zoe.muller{number}@contoso.com","mailNickname":"zoe{number}","accountEnabled":true,"userType":"Member","jobTitle":"Engineer","department":"Research & Development","companyName":"Contoso","officeLocation":"18/2111","employeeId":"E{number:06}","employeeType":null,"employeeHireDate":null,"employeeOrgData":{{"costCenter":"7100","division":"North"}},"businessPhones":["+1 425 555 0109"],"mobilePhone":"+1 425 555 0110","faxNumber":null,"streetAddress":"9256 Towne Center Dr., Suite 400","city":"San Diego","state":"CA","postalCode":"92121","country":"United States","usageLocation":"US","preferredLanguage":"en-US","proxyAddresses":["SMTP:zoe.muller{number}@contoso.com","smtp:zoe{number}@contoso.com"],"otherMails":[],"imAddresses":["zoe{number}@contoso.com"],"creationType":null,"externalUserState":null,"createdDateTime":"2021-08-02T10:30:06Z","lastPasswordChangeDateTime":"2024-02-02T19:22:43Z","ageGroup":null,"consentProvidedForMinor":null,"legalAgeGroupClassification":null,"onPremisesUserPrincipalName":null,"onPremisesDomainName":null,"onPremisesSamAccountName":null,"onPremisesImmutableId":null,"onPremisesDistinguishedName":null,"onPremisesSecurityIdentifier":null,"onPremisesSyncEnabled":null,"manager":{{"@odata.type":"#microsoft.graph.user","id":"99789584-a1e1-4232-90e5-{number:012x}"}}}}"##
        );
    }
    page.push_str("]}");
    page
}

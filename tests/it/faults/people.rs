//! The directory and the register that the faults meet: every overwrite rule, every quarrel, every way to leave.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use domain::lookup_guid::of_immutable_id;
use entra_sim::{Operation, Snapshot, Tenant};
use harness::people::hire;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use serde_json::json;

use crate::oracle::Directory;

/// Of every so many users one has an account already, each by another rule.
const EVERY: usize = 10;

/// Further lines of the mapping.
pub const MAPPING: &str = "overrideByEmail: true";

/// People who share a login in two domains, both claiming the account without a domain that [`accounts`] makes.
pub fn quarrel(tenant: &Arc<Tenant>) {
    for domain in ["contoso.com", "fabrikam.example"] {
        let name = format!("quarrel.twin@{domain}");
        hire(
            tenant,
            "quarrel.twin",
            json!({ "userPrincipalName": name, "mail": name }),
        );
    }
    hire(tenant, "quarrel.owner", json!({ "accountEnabled": false }));
    hire(tenant, "quarrel.mail", json!({}));
    hire(
        tenant,
        "quarrel.new",
        json!({ "onPremisesUserPrincipalName": "quarrel@corp.example" }),
    );
}

/// `rollcall import csv`: accounts that were there before the first run.
pub fn accounts(directory: &Directory) -> String {
    let mut csv = "name,login,domain,email,upn,lookup_guid,role,job_title\n".to_owned();
    let mut logins = BTreeSet::new();
    let present = directory.present().into_iter().enumerate();
    for (number, user) in present.filter(|(n, _)| n % EVERY == 0) {
        let row = account(number, user);
        // Who quarrels has rows of their own below.
        if row[1].to_lowercase().starts_with("quarrel.") {
            continue;
        }
        // Two may have the same login in two domains, and here both without one.
        if logins.insert((row[1].to_lowercase(), row[2].to_lowercase())) {
            let cells = row.map(|cell| format!("\"{}\"", cell.replace('"', "\"\"")));
            writeln!(csv, "{}", cells.join(",")).unwrap();
        }
    }
    for row in [
        // A tie by rule 5.
        "Twin,quarrel.twin,,,,,user,",
        // The last active owner, who is disabled in the directory.
        "Owner,quarrel.owner,contoso.com,,,,owner,",
        // One user, two accounts.
        "One,quarrel.one,,quarrel.mail@contoso.com,,,user,",
        "Other,quarrel.other,,quarrel.mail@contoso.com,,,user,",
        // Found by rule 2, but the login that it would get is the next one's.
        "Old,quarrel.old,contoso.com,,quarrel@corp.example,,user,",
        "Same,quarrel.new,contoso.com,,,,user,",
        "Elsewhere,nobody.at.all,contoso.com,,,,technician,Gardener",
    ] {
        writeln!(csv, "{row}").unwrap();
    }
    csv
}

/// One account that some rule finds for this user; which rule goes round with the number.
fn account(number: usize, user: &Snapshot) -> [String; 8] {
    let text = |name: &str| {
        let value = user.attributes.get(name).and_then(|value| value.as_str());
        value.unwrap_or_default().to_owned()
    };
    let name = text("userPrincipalName");
    let (local, domain) = name.rsplit_once('@').unwrap_or((&name, ""));
    let (mut login, mut of_domain) = (format!("before.{number}"), String::new());
    let (mut email, mut upn, mut lookup_guid) = Default::default();
    match number / EVERY % 5 {
        0 => upn = text("onPremisesUserPrincipalName"),
        1 => lookup_guid = of_immutable_id(&text("onPremisesImmutableId")),
        2 => (login, of_domain) = (local.to_uppercase(), domain.to_owned()),
        3 => login = local.into(),
        _ => email = text("mail").to_uppercase(),
    }
    let role = ["user", "user", "technician", "admin"][number / EVERY % 4].to_owned();
    let job_title = "Something else".to_owned();
    [
        format!("Before {number}"),
        login,
        of_domain,
        email,
        upn,
        lookup_guid,
        role,
        job_title,
    ]
}

/// What happens in the directory between two runs. `few` keeps the removals below the brake.
pub fn change(tenant: &Arc<Tenant>, dice: &mut StdRng, round: usize, few: bool) {
    let directory = Directory::of(tenant);
    let mut people: Vec<String> = directory.present().iter().map(|user| user.id.clone()).collect();
    let deleted: Vec<String> = tenant
        .deleted_users()
        .iter()
        .map(|user| user.id.clone())
        .collect();
    let mut some = |count: usize| -> Vec<String> {
        let chosen: Vec<String> = people.choose_multiple(dice, count).cloned().collect();
        people.retain(|id| !chosen.contains(id));
        chosen
    };
    let leavers = if few { 8 } else { 40 };
    for id in some(leavers) {
        tenant.disable(&id).unwrap();
    }
    for id in some(leavers) {
        tenant.soft_delete(&id).unwrap();
    }
    for id in some(6) {
        tenant.hard_delete(&id).unwrap();
    }
    for id in some(5) {
        tenant.recreate(&id).unwrap();
    }
    let swapped = some(8);
    for pair in swapped.chunks(2) {
        tenant.swap_principal_names(&pair[0], &pair[1]).unwrap();
    }
    let (managers, reports) = (some(5), some(25));
    for (report, manager) in reports.iter().zip(managers.iter().cycle()) {
        tenant.set_manager(report, Some(manager)).unwrap();
    }
    for id in some(20) {
        tenant
            .update(&id, "jobTitle", json!(format!("Title {round}")))
            .unwrap();
        tenant.update(&id, "officeLocation", json!(null)).unwrap();
    }
    for (number, id) in some(5).iter().enumerate() {
        let name = format!("moved.{round}.{number}@contoso.com");
        tenant.update(id, "userPrincipalName", json!(name)).unwrap();
    }
    for number in 0..12 {
        hire(
            tenant,
            &format!("hired.{round}.{number}"),
            json!({ "department": "New" }),
        );
    }
    come_back(tenant, &directory, &deleted);
    tenant.apply(&Operation::ChangeMany { count: 1_200 }).unwrap();
}

/// Some of those who had left before this round come back, some go for good.
fn come_back(tenant: &Arc<Tenant>, directory: &Directory, deleted: &[String]) {
    for id in deleted.iter().take(4) {
        // Somebody else may have the name by now.
        if tenant.restore(id).is_err() {
            tenant.purge(id).unwrap();
        }
    }
    for id in deleted.iter().skip(4).take(3) {
        tenant.purge(id).unwrap();
    }
    let disabled = directory
        .present()
        .into_iter()
        .filter(|user| user.attributes.get("accountEnabled") == Some(&json!(false)));
    for user in disabled.take(5) {
        // It may have been deleted in this round.
        drop(tenant.enable(&user.id));
    }
}

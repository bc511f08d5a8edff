//! What holds after every run, whatever the rules were (design §7): without a look at how anything is decided.

use std::collections::BTreeSet;

use domain::account::{Account, Role, Status};
use domain::brake::Brake;
use domain::id::{AccountId, RunId};
use harness::site::Site;
use harness::world::World;

use crate::faults::gate::until;
use crate::oracle::cause_of;
use crate::oracle::register::Register;

/// What is known of a run.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// Whether its end was proved.
    pub proved: bool,
    /// The brake that it had.
    pub brake: Brake,
}

/// Holds the register after a run against the one before.
pub fn hold(before: &Register, after: &Register, facts: &Facts) {
    let removed: Vec<&Account> = before
        .accounts
        .values()
        .filter(|was| after.accounts.get(&was.id).is_some_and(|is| left(was, is)))
        .collect();
    let names = || removed.iter().map(|account| named(account)).collect::<Vec<_>>();
    assert!(
        facts.proved || removed.is_empty(),
        "removed without a proved end: {:?}",
        names()
    );
    check_brake(before, &removed, facts.brake);
    for was in before.accounts.values() {
        let deleted = after
            .accounts
            .get(&was.id)
            .is_some_and(|is| was.status != Status::Deleted && is.status == Status::Deleted);
        assert!(
            !deleted || was.role == Role::User,
            "{} deleted by a run",
            named(was)
        );
    }
    whole(before, after);
}

/// What holds of every run, those that take back what others did, too.
pub fn whole(before: &Register, after: &Register) {
    for was in before.accounts.values() {
        let Some(is) = after.accounts.get(&was.id) else {
            panic!("{} is not there any more", named(was));
        };
        let untouched = was.values == is.values && was.status == is.status && was.role == is.role;
        assert!(
            !untouched || was.version == is.version,
            "{} written for nothing",
            named(was)
        );
    }
    let owners = |register: &Register| {
        let owners = register.accounts.values();
        owners
            .filter(|account| account.role == Role::Owner && account.status == Status::Active)
            .count()
    };
    assert!(owners(before) == 0 || owners(after) > 0, "no owner is left");
    check_links(after);
}

fn named(account: &Account) -> String {
    format!("{} ({})", account.label(), account.id)
}

/// Active, and not any more.
fn left(was: &Account, is: &Account) -> bool {
    was.status == Status::Active && is.status != Status::Active
}

fn check_brake(before: &Register, removed: &[&Account], brake: Brake) {
    let linked: Vec<&Account> = before
        .links
        .values()
        .filter_map(|link| before.accounts.get(&link.account?))
        .filter(|account| account.status != Status::Deleted)
        .collect();
    // Somebody who is linked and removed in one run is one more than are linked.
    let count = |number: usize| u32::try_from(number).expect("a few");
    let (linked, removed) = (count(linked.len()), count(removed.len()));
    if linked >= brake.from {
        assert!(removed <= brake.count, "{removed} removed of {linked}");
        assert!(
            removed * 100 <= brake.percent * linked,
            "{removed} removed of {linked}"
        );
    }
}

/// An account is linked to one object at most, and nothing is asked about what has ended.
fn check_links(register: &Register) {
    let mut held: BTreeSet<AccountId> = BTreeSet::new();
    for (object, link) in &register.links {
        let Some(account) = link.account else { continue };
        assert!(
            held.insert(account),
            "{object} has an account that another has, too"
        );
    }
    for ((object, account, cause), proposed) in &register.reviews {
        let link = register.links.get(object);
        let still = link.is_some_and(|link| {
            // Whose last decision failed is where they were.
            let unsure = link.status == domain::decision::LinkStatus::Conflict;
            link.account == Some(*account) && (unsure || cause_of(link.status) == Some(*cause))
        });
        assert!(
            still,
            "{proposed:?} of {account} is asked for {object} and cause {cause}, but the link is {link:?}"
        );
    }
}

/// How a run came to its end.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// Its state; `applied` for a preview that was.
    pub state: &'a str,
    /// Whether it removed anybody by itself, without a person's word.
    pub removed: bool,
}

/// Who is told of a run's end: exactly those notices that there are for it.
pub async fn told(site: &Site, world: &World, run: RunId, end: End<'_>) {
    quiet(site, world).await;
    let state = end.state;
    let asked = format!(
        "SELECT coalesce(string_agg(n.kind, ',' ORDER BY n.kind), '') || '|' ||
             (SELECT count(*) FROM outbox WHERE run_id = '{run}' AND subject LIKE 'rollcall.run.finished.%')
         FROM notice n WHERE n.run_id = '{run}' AND n.kind NOT LIKE 'connection\\_%'"
    );
    let found = site.sql(&asked).await;
    let (notices, events) = found.rsplit_once('|').expect("two columns");
    let plan = site
        .sql(&format!(
            "SELECT run.kind, held > 0, failed > failed_ignored, delta FROM run_plan
             JOIN run ON run.id = run_id LEFT JOIN run_fetch USING (run_id) WHERE run_id = '{run}'"
        ))
        .await;
    let plan: Vec<&str> = plan.split('|').collect();
    let (kind, held, failed) = (plan[0], plan[1] == "t", plan[2] == "t");
    let always = match kind {
        "manual" => false,
        "revert" => true,
        // A night on which nobody leaves is no news.
        "deprovision" => end.removed,
        _ => plan[3] == "f",
    };
    let mut should = Vec::new();
    match state {
        "finished" | "applied" => {
            if always || failed {
                should.push("run_finished");
            }
            if held {
                should.push("reviews_waiting");
            }
            if end.removed {
                should.push("removed");
            }
        }
        "failed" => should.push("run_failed"),
        "cancelled" if kind == "full" => should.push("run_finished"),
        "planned" => should.push("preview_ready"),
        _ => {}
    }
    if state == "applied" {
        should.push("preview_ready");
    }
    should.sort_unstable();
    if state == "cancelled" && kind == "preview" {
        // It may have had its plan before, and somebody may have been told in time.
        assert!(
            matches!(notices, "" | "preview_ready"),
            "notices of the ended preview {run}: {notices}"
        );
        assert!(
            matches!(events, "1" | "2"),
            "ends of the preview {run} that were told: {events}"
        );
        return;
    }
    assert_eq!(
        notices,
        should.join(","),
        "notices of run {run}, {state}: {plan:?}"
    );
    let ends = if state == "applied" { "2" } else { "1" };
    assert_eq!(events, ends, "ends of run {run} that were told");
    quarantine(site, world, run, state).await;
}

/// A connection that fails goes into quarantine and comes out of it in turns, each told once, and no run that went well
/// begins one unless most of its records failed.
async fn quarantine(site: &Site, world: &World, run: RunId, state: &str) {
    let of = world.organization;
    let told = site
        .sql(&format!(
            "SELECT count(*) FILTER (WHERE change = 'quarantined') - count(*) FILTER (WHERE change = 'recovered'),
                 (SELECT count(*) FROM notice WHERE run_id = '{run}' AND kind = 'connection_quarantined'),
                 (SELECT count(*) FROM notice WHERE run_id = '{run}' AND kind = 'connection_recovered'),
                 (SELECT failed * 100 > (seen + gone) * 40 FROM run_plan WHERE run_id = '{run}')
             FROM connection_health_change WHERE organization_id = '{of}'"
        ))
        .await;
    let told: Vec<&str> = told.split('|').collect();
    assert!(
        matches!(told[0], "0" | "1"),
        "quarantines without an end: {told:?}"
    );
    let bad = state == "failed" || told[3] == "t";
    assert!(told[1] == "0" || bad, "run {run} {state} began a quarantine");
    assert!(told[2] == "0" || !bad, "run {run} {state} ended a quarantine");
}

/// Waits until every event is published and taken up, and every mail is sent.
pub async fn quiet(site: &Site, world: &World) {
    let of = world.organization;
    let asked = format!(
        "SELECT (SELECT count(*) FROM outbox WHERE organization_id = '{of}' AND published_at IS NULL),
             (SELECT count(*) FROM outbox WHERE organization_id = '{of}'
                  AND subject LIKE 'rollcall.run.finished.%' AND NOT EXISTS (SELECT FROM inbox WHERE event_id = outbox.id)),
             (SELECT count(*) FROM delivery WHERE organization_id = '{of}' AND state <> 'sent')"
    );
    until("everything is told", async || site.sql(&asked).await == "0|0|0").await;
}

/// No secret is in what the services have logged.
pub fn no_secrets(site: &Site, world: &World) {
    let log = site.stack().home().log("api");
    for file in std::fs::read_dir(log.parent().unwrap()).unwrap() {
        let path = file.unwrap().path();
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        for (what, secret) in [
            ("a client secret", &world.options.client_secret),
            ("a token", &world.token),
        ] {
            assert!(!text.contains(secret.as_str()), "{what} in {}", path.display());
        }
    }
}

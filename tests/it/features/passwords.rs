//! Local passwords of imported accounts: hashed, mailed once, and then known to nobody but their owner (M6).

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordVerifier as _};
use contracts::v1::{Account, DeliveryState, NoticeKind, PasswordState};
use harness::people::{hire, hire_many};
use harness::site::Site;
use harness::told::part;
use harness::wait::until;
use harness::world::World;
use local::mail::{Action, Fault, Message, Moment};
use serde_json::json;

const PREDEFINED: &str = "PREDEFINED_PASSWORD";

/// A world whose imported accounts get passwords as these lines say.
async fn with_passwords(lines: &str) -> World {
    let world = World::start().await;
    settings(&world, lines).await;
    world
}

fn document(world: &World, lines: &str) -> String {
    format!(
        "kind: Settings\nname: default\nmailTo: [\"{}\"]\npasswords: {{ {lines} }}\n",
        world.mail_to
    )
}

async fn settings(world: &World, lines: &str) {
    world.apply(&document(world, lines)).await;
}

/// An address that only this test writes to.
fn address(world: &World, login: &str) -> String {
    format!("{login}-{}@contoso.com", world.organization.simple())
}

fn hire_with_address(world: &World, login: &str) {
    hire(&world.tenant, login, json!({"mail": address(world, login)}));
}

fn mails_of(world: &World, site: &Site, login: &str) -> Vec<Arc<Message>> {
    let address = address(world, login);
    let ours = |message: &Arc<Message>| message.to.contains(&address);
    site.mail().messages().into_iter().filter(ours).collect()
}

/// The password in the mail of this number to this person, once it is there.
async fn mailed(world: &World, site: &Site, login: &str, number: usize) -> String {
    let mail = until(&format!("mail {number} to {login}"), async || {
        mails_of(world, site, login).get(number - 1).cloned()
    })
    .await;
    let text = part(&mail, "text/plain").unwrap();
    let line = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("password  "));
    let password = line.unwrap_or_else(|| panic!("no password in {text}")).to_owned();
    assert!(!password.contains('{'), "{text}");
    password
}

async fn hash_of(site: &Site, account: &Account) -> String {
    let sql = format!(
        "SELECT hash FROM account_password WHERE account_id = '{}'",
        account.id
    );
    site.sql(&sql).await.trim().to_owned()
}

fn opens(hash: &str, password: &str) -> bool {
    let parsed = PasswordHash::new(hash).unwrap();
    Argon2::default()
        .verify_password(password.as_bytes(), &parsed)
        .is_ok()
}

async fn has_state(world: &World, login: &str, state: PasswordState) -> Account {
    until(&format!("{login} is {state:?}"), async || {
        let account = world.account(login).await;
        (account.password_state() == state).then_some(account)
    })
    .await
}

/// Nothing of ours waits to be mailed any more.
async fn all_are_mailed(world: &World, site: &Site) {
    let sql = format!(
        "SELECT count(*) FROM password_mail WHERE organization_id = '{}'",
        world.organization
    );
    until("every password is mailed", async || {
        (site.sql(&sql).await.trim() == "0").then_some(())
    })
    .await;
}

/// Every row of every table, and everything that was logged.
async fn all_that_is_kept(site: &Site) -> String {
    let mut text = String::new();
    let tables = site
        .sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        .await;
    for table in tables.lines().map(str::trim).filter(|table| !table.is_empty()) {
        text.push_str(&site.sql(&format!("SELECT t::text FROM \"{table}\" t")).await);
    }
    let logs = site.stack().home().log("api");
    for file in std::fs::read_dir(logs.parent().unwrap()).unwrap() {
        text.push_str(&String::from_utf8_lossy(
            &std::fs::read(file.unwrap().path()).unwrap(),
        ));
    }
    text
}

fn hex(text: &str) -> String {
    text.bytes().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

#[tokio::test]
async fn m6_each_new_account_gets_a_random_password_that_only_its_mail_tells() {
    let site = Site::shared().await;
    let world = with_passwords("mode: random").await;
    hire_with_address(&world, "ann");
    hire_with_address(&world, "bob");
    world.full().await;
    let rows = format!(
        "name,login,domain,email\nCid,cid,contoso.com,{}\n",
        address(&world, "cid")
    );
    world.import(&rows).await;
    let mut passwords = BTreeSet::new();
    for login in ["ann", "bob", "cid"] {
        let password = mailed(&world, site, login, 1).await;
        let account = has_state(&world, login, PasswordState::MustChange).await;
        let hash = hash_of(site, &account).await;
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(opens(&hash, &password), "{login}");
        assert!(password.chars().count() >= 12, "{password}");
        passwords.insert(password);
    }
    assert_eq!(passwords.len(), 3, "each has another one");
    all_are_mailed(&world, site).await;
    let kept = all_that_is_kept(site).await;
    assert!(kept.contains("$argon2id$") && kept.contains("local passwords set"));
    for password in &passwords {
        assert!(!kept.contains(password.as_str()) && !kept.contains(&hex(password)));
    }
    // What comes again is nobody new.
    world.full().await;
    world.import(&rows).await;
    hire_with_address(&world, "dan");
    world.delta().await;
    mailed(&world, site, "dan", 1).await;
    for login in ["ann", "bob", "cid"] {
        assert_eq!(mails_of(&world, site, login).len(), 1, "{login}");
    }
}

#[tokio::test]
async fn m6_without_the_setting_nobody_gets_a_password() {
    let site = Site::shared().await;
    let world = World::start().await;
    hire_with_address(&world, "ann");
    world.full().await;
    assert_eq!(world.account("ann").await.password_state(), PasswordState::None);
    let waiting = format!(
        "SELECT count(*) FROM password_task WHERE organization_id = '{}'",
        world.organization
    );
    assert_eq!(site.sql(&waiting).await.trim(), "0");
    let id = world.account("ann").await.id;
    let refused = world.cli_run(&["account", "reset-password", &id]).await;
    assert!(
        refused.code == 1 && refused.stderr.contains("passwords.mode"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn m6_a_predefined_password_passes_the_policy_and_is_never_shown() {
    const GOOD: &str = "Predefined-7-horses";
    let site = Site::shared().await;
    let world = World::start().await;
    let file = world.file(
        "passwords.yaml",
        &document(
            &world,
            &format!("mode: predefined, predefined: {{ fromEnv: {PREDEFINED} }}"),
        ),
    );
    let file = file.to_str().unwrap();
    let with = |password: &str| world.cli().env(PREDEFINED, password);
    let refused = with("weak horses").run(&["apply", "-f", file]).await.unwrap();
    assert_eq!(refused.code, 1);
    for told in ["passwords.predefined", "12 characters", "upper-case", "no digit"] {
        assert!(refused.stderr.contains(told), "{told}: {refused:?}");
    }
    assert!(!refused.stderr.contains("weak horses"), "{refused:?}");
    let diff = with(GOOD).run(&["diff", "-f", file]).await.unwrap();
    assert!(diff.stdout.contains("(set)"), "{diff:?}");
    assert_eq!(with(GOOD).run(&["apply", "-f", file]).await.unwrap().code, 0);
    let again = with(GOOD).run(&["diff", "-f", file]).await.unwrap();
    assert!(
        !again.stdout.contains("passwords"),
        "the same again is no change: {again:?}"
    );
    let changed = with("Another-7-horses").run(&["diff", "-f", file]).await.unwrap();
    assert!(changed.stdout.contains("(changed)"), "{changed:?}");
    let export = world.cli_run(&["export"]).await.stdout;
    assert!(
        export.contains("predefined: {fromEnv: PREDEFINED_PASSWORD}")
            || export.contains("fromEnv: PREDEFINED_PASSWORD"),
        "{export}"
    );

    hire_with_address(&world, "ann");
    hire_with_address(&world, "bob");
    world.full().await;
    let mut hashes = BTreeSet::new();
    for login in ["ann", "bob"] {
        assert_eq!(mailed(&world, site, login, 1).await, GOOD);
        let account = has_state(&world, login, PasswordState::MustChange).await;
        let hash = hash_of(site, &account).await;
        assert!(opens(&hash, GOOD));
        hashes.insert(hash);
    }
    assert_eq!(hashes.len(), 2, "each has its own salt");
    all_are_mailed(&world, site).await;
    let kept = all_that_is_kept(site).await;
    for shown in [&kept, &diff.stdout, &again.stdout, &changed.stdout, &export] {
        assert!(!shown.contains(GOOD) && !shown.contains(&hex(GOOD)));
    }

    // A stored one has to pass a stricter policy, too; it stays when the document does not give it.
    let stays = document(&world, "mode: predefined, mail: false");
    world.apply(&stays).await;
    let stricter = world.file(
        "stricter.yaml",
        &document(&world, "mode: predefined, policy: { length: 30 }"),
    );
    let refused = world.cli_run(&["apply", "-f", stricter.to_str().unwrap()]).await;
    assert!(
        refused.code == 1 && refused.stderr.contains("is stored, but has fewer than 30"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn m6_mail_and_forced_change_can_be_off() {
    let site = Site::shared().await;
    let world = with_passwords("mode: random, mail: false, mustChange: false").await;
    hire_with_address(&world, "ann");
    world.full().await;
    let account = has_state(&world, "ann", PasswordState::Set).await;
    assert!(hash_of(site, &account).await.starts_with("$argon2id$"));
    let sql = format!(
        "SELECT count(*) FROM delivery WHERE organization_id = '{0}' AND holds_password",
        world.organization
    );
    all_are_mailed(&world, site).await;
    // The run's own mail comes later than a password's would.
    world.mails_until(site, 1).await;
    assert_eq!(site.sql(&sql).await.trim(), "0");
    // A person can ask for one that is mailed.
    world.cli_run(&["account", "reset-password", &account.id]).await;
    let password = mailed(&world, site, "ann", 1).await;
    assert!(opens(&hash_of(site, &account).await, &password));
}

#[tokio::test]
async fn m6_a_reset_password_is_another_one_and_mailed_again() {
    let site = Site::shared().await;
    let world = with_passwords("mode: random").await;
    hire_with_address(&world, "ann");
    hire(&world.tenant, "mute", json!({"mail": null}));
    world.full().await;
    let first = mailed(&world, site, "ann", 1).await;
    let account = has_state(&world, "ann", PasswordState::MustChange).await;
    let done = world.cli_run(&["account", "reset-password", &account.id]).await;
    assert!(done.code == 0 && done.stdout.contains("mailed"), "{done:?}");
    let second = mailed(&world, site, "ann", 2).await;
    assert_ne!(first, second);
    let hash = hash_of(site, &account).await;
    assert!(opens(&hash, &second) && !opens(&hash, &first));
    let audit = format!(
        "SELECT actor, subject FROM audit WHERE organization_id = '{}' AND action = 'account.resetPassword'",
        world.organization
    );
    assert_eq!(
        site.sql(&audit).await.trim(),
        format!("token tester|{}", account.id)
    );
    // Without an address there is a password that nobody knows, and no way to mail another.
    let mute = has_state(&world, "mute", PasswordState::MustChange).await;
    let refused = world.cli_run(&["account", "reset-password", &mute.id]).await;
    assert!(
        refused.code == 1 && refused.stderr.contains("no e-mail address"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn m6_one_organizations_trouble_does_not_keep_another_waiting() {
    const GOOD: &str = "Predefined-7-horses";
    let site = Site::shared().await;
    let stuck = World::start().await;
    let lines = format!("mode: predefined, predefined: {{ fromEnv: {PREDEFINED} }}");
    let file = stuck.file("passwords.yaml", &document(&stuck, &lines));
    let file = file.to_str().unwrap();
    let cli = stuck.cli().env(PREDEFINED, GOOD);
    assert_eq!(cli.run(&["apply", "-f", file]).await.unwrap().code, 0);
    // As after the loss of a key.
    site.sql(&format!(
        "UPDATE password_settings SET ciphertext = overlay(ciphertext PLACING '\\x0000' FROM 40) WHERE organization_id = '{}'",
        stuck.organization
    ))
    .await;
    // More than are dealt with at a time.
    hire_many(&stuck.tenant, 20);
    stuck.full().await;
    let world = with_passwords("mode: random").await;
    hire_with_address(&world, "ann");
    world.full().await;
    mailed(&world, site, "ann", 1).await;
    assert_eq!(
        stuck.account("p01").await.password_state(),
        PasswordState::Pending
    );
    assert_eq!(cli.run(&["apply", "-f", file]).await.unwrap().code, 0);
    has_state(&stuck, "p01", PasswordState::MustChange).await;
    has_state(&stuck, "p20", PasswordState::MustChange).await;
}

#[tokio::test]
async fn m6_a_mail_that_fails_is_tried_again_and_comes_once() {
    let site = Site::shared().await;
    let world = with_passwords("mode: random").await;
    let later = Action::Reply {
        code: 451,
        text: "try again later".to_owned(),
    };
    let never = Action::Reply {
        code: 550,
        text: "no such person".to_owned(),
    };
    site.mail()
        .add_fault(Fault::once(Moment::Recipient, later).containing(&address(&world, "ann")));
    site.mail()
        .add_fault(Fault::always(Moment::Recipient, never).containing(&address(&world, "bob")));
    hire_with_address(&world, "ann");
    hire_with_address(&world, "bob");
    world.full().await;
    let password = mailed(&world, site, "ann", 1).await;
    let account = has_state(&world, "ann", PasswordState::MustChange).await;
    assert!(opens(&hash_of(site, &account).await, &password));
    // What was given up is forgotten, too, and told.
    all_are_mailed(&world, site).await;
    assert_eq!(mails_of(&world, site, "ann").len(), 1);
    let deliveries = world.deliveries().await;
    let of = |login: &str| {
        let to = address(&world, login);
        deliveries
            .iter()
            .find(|delivery| delivery.recipient == to)
            .unwrap()
    };
    assert_eq!((of("ann").state(), of("ann").attempts), (DeliveryState::Sent, 2));
    assert_eq!(of("bob").state(), DeliveryState::Failed);
    until("the failed mail is on the bell", async || {
        let notices = world.notices().await.notices;
        notices
            .iter()
            .any(|notice| notice.kind() == NoticeKind::MailFailed)
            .then_some(())
    })
    .await;
}

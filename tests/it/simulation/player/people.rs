//! What people do: the terms, files, links, reviews.

use std::fmt::Write as _;

use contracts::v1::{LeaverAction, ReviewState};
use domain::account::{Role, Status};
use domain::field::Field;
use domain::id::ObjectId;
use harness::documents::{CONNECTION, documents};

use super::{Player, text};
use crate::oracle::register::Register;
use crate::simulation::life::{BRAKES, POLICIES, Step};
use crate::simulation::terms::Terms;

impl Player<'_> {
    pub(super) async fn by_people(&mut self, step: &Step) {
        match step {
            Step::Criteria(which) => self.change_terms(|terms| terms.criteria = *which).await,
            Step::IncludeDisabled(whether) => {
                self.change_terms(|terms| terms.include_disabled = *whether).await;
            }
            Step::Policies(which) => {
                let which = usize::from(*which) % POLICIES.len();
                self.change_terms(|terms| terms.policies = which).await;
            }
            Step::Brake(which) => {
                let which = usize::from(*which) % BRAKES.len();
                self.change_terms(|terms| terms.brake = which).await;
            }
            Step::Csv(who, alike) => self.csv(*who, *alike).await,
            Step::Promote(who, role) => self.promote(*who, *role).await,
            Step::Cut(who) => {
                let id = self.person(*who).to_owned();
                self.by_hand(&["link", "cut", CONNECTION, &id, "--reason", "so it is"])
                    .await;
            }
            Step::Move(who, whose) => {
                let register = self.register().await;
                let whose: ObjectId = self.person(*whose).parse().unwrap();
                let account = register.links.get(&whose).and_then(|link| link.account);
                if let Some(account) = account {
                    let (id, to) = (self.person(*who).to_owned(), account.to_string());
                    let args = [
                        "link", "move", CONNECTION, &id, "--to", &to, "--reason", "so it is",
                    ];
                    self.by_hand(&args).await;
                }
            }
            Step::NeverTouch(who) => {
                let id = self.person(*who).to_owned();
                let known = self
                    .terms
                    .never_touch
                    .iter()
                    .any(|(_, object)| object.to_string() == id);
                if !known {
                    let entry = self
                        .world
                        .cli_json(&["never-touch", "add", "--object", &id])
                        .await;
                    let entry = entry["id"].as_str().unwrap().to_owned();
                    self.terms.never_touch.push((entry, id.parse().unwrap()));
                    self.rules_changed = true;
                }
            }
            Step::MayTouch => {
                if let Some((entry, _)) = self.terms.never_touch.pop() {
                    self.world.cli_json(&["never-touch", "remove", &entry]).await;
                    self.rules_changed = true;
                }
            }
            Step::Approve(which, how) => {
                let action = [
                    LeaverAction::Unspecified,
                    LeaverAction::Deactivate,
                    LeaverAction::Delete,
                ];
                if let Some(id) = self.review(*which).await {
                    self.world.approve(&[&id], action[usize::from(*how) % 3]).await;
                    self.moved();
                }
            }
            Step::Reject(which) => {
                if let Some(id) = self.review(*which).await {
                    self.world.reject(&[&id]).await;
                }
            }
            Step::Keep(which) => {
                if let Some(id) = self.review(*which).await {
                    self.by_hand(&["review", "keep", &id, "--reason", "still needed"])
                        .await;
                }
            }
            Step::Forget(which) => self.forget(*which).await,
            Step::Ignore(which) => {
                let failed = self.world.failed_records().await;
                if !failed.is_empty() {
                    let id = &failed[usize::from(*which) % failed.len()].object_id;
                    self.world.ignore(&[id], "known").await.unwrap();
                }
            }
            _ => {}
        }
    }

    /// The register has been written by a person.
    pub(super) fn moved(&mut self) {
        if let Some(preview) = &mut self.preview {
            preview.moved = true;
        }
    }

    pub(super) async fn change_terms(&mut self, change: impl FnOnce(&mut Terms)) {
        let before = self.terms.rules();
        change(&mut self.terms);
        let (connection, mapping) = (self.terms.connection(), self.terms.mapping());
        let documents = documents(&self.world.options, &self.world.url(), &connection, &mapping);
        self.world.apply(&documents).await;
        // The brake decides on nobody.
        self.rules_changed |= self.terms.rules() != before;
    }

    /// A person's word that may be refused.
    pub(super) async fn by_hand(&mut self, args: &[&str]) {
        let answer = self.world.cli_run(args).await;
        println!("  {} {}", answer.code, answer.stderr.trim());
        assert!(answer.code < 2, "{args:?}: {answer:?}");
        self.moved();
    }

    pub(super) async fn review(&self, which: u8) -> Option<String> {
        let mut open = self.world.reviews(ReviewState::Open).await;
        open.sort_by(|one, other| one.object_id.cmp(&other.object_id));
        let place = usize::from(which) % open.len().max(1);
        open.into_iter().nth(place).map(|review| review.id)
    }

    pub(super) async fn csv(&mut self, who: u8, alike: u8) {
        let Some(user) = self.user(who) else { return };
        let number = self.fresh();
        let upn = text(&user, "userPrincipalName");
        let (login, domain) = upn.rsplit_once('@').unwrap_or((upn, ""));
        let other = format!("file.{number}");
        let row = match alike % 4 {
            0 => [login, domain, "", ""],
            1 => [login, "", "", ""],
            2 => [&other, "", text(&user, "mail"), ""],
            _ => [&other, "", "", text(&user, "onPremisesUserPrincipalName")],
        };
        let mut file = "name,login,domain,email,upn,job_title\n".to_owned();
        writeln!(file, "\"File {number}\",{},Filer", row.join(",")).unwrap();
        self.file(&file).await;
    }

    /// The account's own row, with another role.
    pub(super) async fn promote(&mut self, who: u8, role: u8) {
        let id: ObjectId = self.person(who).parse().unwrap();
        let register = self.register().await;
        let account = register
            .links
            .get(&id)
            .and_then(|link| register.accounts.get(&link.account?));
        let Some(account) = account else { return };
        let role = [Role::User, Role::Technician, Role::Admin, Role::Owner][usize::from(role) % 4];
        let of = |field: Field| account.value(field).unwrap_or_default();
        let file = format!(
            "name,login,domain,role\n\"{}\",\"{}\",\"{}\",{}\n",
            of(Field::Name),
            of(Field::Login),
            of(Field::Domain),
            role.key(),
        );
        self.file(&file).await;
    }

    pub(super) async fn file(&mut self, text: &str) {
        let file = self.world.file("accounts.csv", text);
        self.by_hand(&["import", "csv", file.to_str().unwrap()]).await;
    }

    /// A deleted account is removed for good, with what its links say; or that is refused, and nothing happens.
    async fn forget(&mut self, which: u8) {
        let before = self.register().await;
        let mut deleted = before
            .accounts
            .values()
            .filter(|account| account.status == Status::Deleted);
        let place = usize::from(which) % deleted.clone().count().max(1);
        let Some(account) = deleted.nth(place).map(|account| account.id) else {
            return;
        };
        let id = account.to_string();
        self.by_hand(&["account", "purge", &id, "--reason", "asked for"])
            .await;
        let after = self.register().await;
        let open = before.reviews.keys().any(|(_, of, _)| *of == account);
        assert_eq!(
            after.accounts.contains_key(&account),
            open,
            "{id} is purged unless something is asked about it"
        );
        let held = |register: &Register| register.links.values().any(|link| link.account == Some(account));
        assert_eq!(held(&after), open && held(&before), "nobody holds what is purged");
        let others = before.accounts.iter().filter(|(of, _)| **of != account);
        assert!(
            others.eq(after.accounts.iter().filter(|(of, _)| **of != account)),
            "nobody else is touched"
        );
    }
}

//! What happens in the directory.

use harness::groups::{join, nest, part};
use harness::people::hire;
use serde_json::json;

use super::{Player, text};
use crate::simulation::life::{DEPARTMENTS, GROUPS, Step};

impl Player<'_> {
    /// Refused operations change nothing, and that is right: the person may have left.
    pub(super) fn in_directory(&mut self, step: &Step) {
        let tenant = self.world.tenant.clone();
        let of = |player: &Self, place: &u8| player.person(*place).to_owned();
        match step {
            Step::Join(department) => {
                let login = format!("new.{}", self.fresh());
                let department = DEPARTMENTS[usize::from(*department) % DEPARTMENTS.len()];
                let id = hire(
                    &tenant,
                    &login,
                    json!({ "department": department, "jobTitle": "New" }),
                );
                self.people.push(id);
            }
            Step::Leave(who) => drop(tenant.soft_delete(&of(self, who))),
            Step::Restore(who) => drop(tenant.restore(&of(self, who))),
            Step::Purge(who) => drop(tenant.purge(&of(self, who))),
            Step::Vanish(who) => drop(tenant.hard_delete(&of(self, who))),
            Step::Recreate(who) => {
                if let Ok(id) = tenant.recreate(&of(self, who)) {
                    self.people.push(id);
                }
            }
            Step::Rehire(who) => self.rehire(*who),
            Step::Rename(who) => {
                let name = format!("renamed.{}@contoso.com", self.fresh());
                drop(tenant.update(&of(self, who), "userPrincipalName", json!(name)));
            }
            Step::NewMail(who) => {
                let name = format!("mail.{}@contoso.com", self.fresh());
                drop(tenant.update(&of(self, who), "mail", json!(name)));
            }
            Step::Swap(one, other) => {
                let (one, other) = (of(self, one), of(self, other));
                if one != other {
                    drop(tenant.swap_principal_names(&one, &other));
                }
            }
            Step::Chain(first, second, third) => {
                let mut name = format!("chained.{}@contoso.com", self.fresh());
                for who in [first, second, third] {
                    let Some(user) = self.user(*who) else { break };
                    let before = text(&user, "userPrincipalName").to_owned();
                    if tenant.update(&user.id, "userPrincipalName", json!(name)).is_err() {
                        break;
                    }
                    name = before;
                }
            }
            Step::Disable(who) => drop(tenant.disable(&of(self, who))),
            Step::Enable(who) => drop(tenant.enable(&of(self, who))),
            Step::Department(who, which) => {
                let department = DEPARTMENTS[usize::from(*which) % DEPARTMENTS.len()];
                drop(tenant.update(&of(self, who), "department", json!(department)));
            }
            Step::Title(who, which) => {
                let title = (*which > 60).then(|| format!("Title {which}"));
                drop(tenant.update(&of(self, who), "jobTitle", json!(title)));
            }
            Step::Manager(who, manager) => {
                drop(tenant.set_manager(&of(self, who), Some(&of(self, manager))));
            }
            Step::NoManager(who) => drop(tenant.set_manager(&of(self, who), None)),
            Step::Enter(group, who) => {
                if let Some(user) = self.user(*who) {
                    join(&tenant, self.group(*group), &[&user.id]);
                }
            }
            Step::Exit(group, who) => {
                let (group, who) = (self.group(*group), of(self, who));
                if tenant
                    .group(group)
                    .is_some_and(|group| group.members.contains_key(&who))
                {
                    part(&tenant, group, &[&who]);
                }
            }
            Step::Nest(outer, inner) => {
                let (outer, inner) = (self.group(*outer), self.group(*inner));
                let known = tenant
                    .group(outer)
                    .is_some_and(|group| group.members.contains_key(inner));
                if outer != inner && !known {
                    nest(&tenant, outer, inner);
                }
            }
            Step::Unnest(outer, inner) => {
                let (outer, inner) = (self.group(*outer), self.group(*inner));
                if tenant
                    .group(outer)
                    .is_some_and(|group| group.members.contains_key(inner))
                {
                    part(&tenant, outer, &[inner]);
                }
            }
            _ => {}
        }
    }

    pub(super) fn group(&self, place: u8) -> &str {
        &self.terms.groups[usize::from(place) % GROUPS]
    }

    /// Made anew by who left.
    fn rehire(&mut self, who: u8) {
        let id = self.person(who).to_owned();
        let left = self
            .world
            .tenant
            .deleted_users()
            .into_iter()
            .find(|user| user.id == id);
        if let Some(user) = left {
            let mut attributes = user.attributes;
            for own in ["id", "createdDateTime", "securityIdentifier", "manager"] {
                attributes.remove(own);
            }
            if let Ok(id) = self.world.tenant.create(attributes) {
                self.people.push(id);
            }
        }
    }
}

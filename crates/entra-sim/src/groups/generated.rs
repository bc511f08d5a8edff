//! The groups that a tenant begins with: everyone, the departments' people, divisions that hold departments, two groups
//! that hold each other, and teams.

use super::{GroupKind, Groups, Member, MemberKind};
use crate::directory::operation::OperationError;
use crate::people::identifier::{below, guid, mix};
use crate::people::names::DEPARTMENTS;
use crate::people::{Generation, organization};
use serde_json::{Map, Value, json};

/// What the ids of groups are made with, beside the seed.
const STREAM: u64 = 0x6772_6f75_7073;
/// Departments in a division.
const DIVISION: usize = 5;
/// Members of a team at most, one left out.
const TEAM: u32 = 30;

/// So many groups of this tenant's users.
pub fn generate(generation: &Generation, count: u32) -> Result<Groups, OperationError> {
    let mut maker = Maker {
        generation,
        groups: Groups::default(),
        left: count,
    };
    maker.fill()?;
    maker.groups.begin();
    Ok(maker.groups)
}

struct Maker<'g> {
    generation: &'g Generation,
    groups: Groups,
    left: u32,
}

impl Maker<'_> {
    fn fill(&mut self) -> Result<(), OperationError> {
        let everyone = self.make(
            "Everyone",
            GroupKind::Security,
            json!({"description": "All users"}),
        )?;
        if let Some(everyone) = everyone {
            let all = (0..self.generation.users).map(|slot| self.user(slot)).collect();
            self.groups.add(everyone, all, self.generation.started);
        }
        let departments = self.departments()?;
        self.divisions(&departments)?;
        self.cycle()?;
        let mut number = 1;
        while self.left > 0 {
            self.team(number)?;
            number += 1;
        }
        Ok(())
    }

    /// One group a department, by turns a Microsoft 365 group and one whose members a rule chooses.
    fn departments(&mut self) -> Result<Vec<u32>, OperationError> {
        let mut made = Vec::new();
        for (at, department) in DEPARTMENTS.iter().enumerate() {
            let (kind, with) = if at % 2 == 0 {
                let rule = format!("user.department -eq \"{department}\"");
                (GroupKind::Security, json!({"membershipRule": rule}))
            } else {
                let mail = format!("department{at}@{}", self.generation.domains[0]);
                (GroupKind::Microsoft365, json!({"mail": mail}))
            };
            made.extend(self.make(&format!("{department} (department)"), kind, with)?);
        }
        let mut people = vec![Vec::new(); made.len()];
        // Nobody is looked at where there are no such groups.
        let users = if made.is_empty() { 0 } else { self.generation.users };
        for slot in 0..users {
            let department = organization::department_of(&self.generation.person(slot));
            let at = DEPARTMENTS.iter().position(|name| Some(*name) == department);
            if let Some(people) = at.and_then(|at| people.get_mut(at)) {
                people.push(self.user(slot));
            }
        }
        for (group, people) in made.iter().zip(people) {
            self.groups.add(*group, people, self.generation.started);
        }
        Ok(made)
    }

    /// Groups that hold the groups of departments.
    fn divisions(&mut self, departments: &[u32]) -> Result<(), OperationError> {
        for (number, within) in departments.chunks(DIVISION).enumerate() {
            let name = format!("All of division {}", number + 1);
            if let Some(group) = self.make(&name, GroupKind::Security, json!({}))? {
                let within = within.iter().filter_map(|number| self.group(*number)).collect();
                self.groups.add(group, within, self.generation.started);
            }
        }
        Ok(())
    }

    /// Two groups that hold each other, which Entra allows.
    fn cycle(&mut self) -> Result<(), OperationError> {
        let security = GroupKind::Security;
        let one = self.make("Project Möbius", security, json!({"description": "Holds Klein"}))?;
        let other = self.make("Project Klein", security, json!({"description": "Holds Möbius"}))?;
        for (group, held, slot) in [(one, other, 0), (other, one, 1)] {
            let Some(group) = group else { continue };
            let mut members: Vec<Member> = held.and_then(|held| self.group(held)).into_iter().collect();
            if slot < self.generation.users {
                members.push(self.user(slot));
            }
            self.groups.add(group, members, self.generation.started);
        }
        Ok(())
    }

    fn team(&mut self, number: u32) -> Result<(), OperationError> {
        let kind = match number % 4 {
            0 => GroupKind::Distribution,
            1 => GroupKind::MailEnabledSecurity,
            2 => GroupKind::Microsoft365,
            _ => GroupKind::Security,
        };
        let mut with = json!({"description": format!("Those who work on task {number}")});
        if kind != GroupKind::Security {
            with["mail"] = format!("team{number}@{}", self.generation.domains[0]).into();
        }
        let Some(group) = self.make(&format!("Team {number}"), kind, with)? else {
            return Ok(());
        };
        let hash = mix(self.generation.seed ^ STREAM, u64::from(number));
        let users = self.generation.users;
        let size = below(hash, TEAM).min(users);
        let people = (0..size).map(|at| self.user(below(mix(hash, u64::from(at)), users)));
        let mut members: Vec<Member> = people.collect();
        if number.is_multiple_of(10) {
            members.push(Member {
                id: guid(mix(STREAM, self.generation.seed), number),
                kind: MemberKind::Device,
            });
        }
        self.groups.add(group, members, self.generation.started);
        Ok(())
    }

    /// A group, as long as there are to be more.
    fn make(&mut self, name: &str, kind: GroupKind, with: Value) -> Result<Option<u32>, OperationError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let mut attributes = Map::from_iter([("displayName".to_owned(), name.into())]);
        if let Value::Object(with) = with {
            attributes.extend(with);
        }
        let id = guid(mix(self.generation.seed, STREAM), self.groups.len());
        self.groups
            .create(id, kind, &attributes, self.generation.started)
            .map(Some)
    }

    fn user(&self, slot: u32) -> Member {
        Member {
            id: self.generation.id(slot),
            kind: MemberKind::User,
        }
    }

    fn group(&self, number: u32) -> Option<Member> {
        self.groups.get(number).map(|group| Member {
            id: group.id,
            kind: MemberKind::Group,
        })
    }
}

//! Lives a life: does its steps one after the other, in an organization of its own, and holds the register against the
//! oracle after every run.

mod directory;
mod people;
mod reverts;
mod runs;

use std::collections::BTreeMap;
use std::time::Duration;

use domain::id::{OrganizationId, RunId};
use entra_sim::{Snapshot, TenantOptions};
use harness::groups::security_group;
use harness::moved_clock::MovedClock;
use harness::site::Site;
use harness::world::World;
use local::postgres::Access;
use local::stack::Service;
use serde_json::{Value, json};

use super::invariants;
use super::life::{DEPARTMENTS, GROUPS, Kind, Life, Step};
use super::terms::Terms;
use crate::faults::gate::sql;
use crate::oracle::Directory;
use crate::oracle::register::Register;
use crate::oracle::undo::Past;
use runs::Preview;

/// Somebody who lives.
pub struct Player<'s> {
    site: &'s mut Site,
    clock: &'s mut MovedClock,
    world: World,
    access: Access,
    /// Everybody there ever was, by object id.
    people: Vec<String>,
    terms: Terms,
    /// The directory as each run read it, and in which hour.
    directories: BTreeMap<RunId, (Directory, u32)>,
    /// Whether everybody has to be decided anew.
    rules_changed: bool,
    preview: Option<Preview>,
    /// The latest runs that were applied, the latest one last.
    past: Vec<Past>,
    hours: u32,
    fresh: u32,
}

impl<'s> Player<'s> {
    /// Comes into the world.
    pub async fn born(site: &'s mut Site, clock: &'s mut MovedClock, life: &Life) -> Self {
        revive(site).await;
        let mut options = TenantOptions {
            deleted: 2,
            groups: 0,
            ..TenantOptions::generate(life.seed, life.people)
        };
        options.settings.delta_page_size = 20;
        let world = World::bare(site, options).await;
        let people: Vec<String> = world.tenant.users().into_iter().map(|user| user.id).collect();
        for (place, id) in people.iter().enumerate() {
            let department = DEPARTMENTS[place % DEPARTMENTS.len()];
            world.tenant.update(id, "department", json!(department)).unwrap();
        }
        let terms = Terms {
            groups: (0..GROUPS)
                .map(|number| security_group(&world.tenant, &format!("Group {number}")))
                .collect(),
            ..Terms::default()
        };
        world.connect(&terms.connection(), &terms.mapping()).await;
        let access = site.access().clone();
        Self {
            site,
            clock,
            world,
            access,
            people,
            terms,
            directories: BTreeMap::new(),
            rules_changed: false,
            preview: None,
            past: Vec::new(),
            hours: 0,
            fresh: 0,
        }
    }

    /// Lives, and comes to rest.
    pub async fn live(mut self, life: &Life) {
        for step in &life.steps {
            println!("{step:?}");
            self.step(step).await;
        }
        self.rest().await;
    }

    async fn step(&mut self, step: &Step) {
        match step {
            Step::Run(kind, troubles) => self.run(*kind, troubles).await,
            Step::Apply => self.apply().await,
            Step::Revert(which) => self.revert(*which, None).await,
            Step::RevertOne(which, who) => self.revert(*which, Some(*who)).await,
            Step::Import(person) => self.import(*person).await,
            Step::Hours(hours) => {
                let time = Duration::from_secs(3_600 * u64::from(*hours));
                self.clock.advance(time);
                self.world.tenant.advance(time);
                self.hours += u32::from(*hours);
            }
            step => {
                self.in_directory(step);
                self.by_people(step).await;
            }
        }
    }

    fn person(&self, place: u8) -> &str {
        &self.people[usize::from(place) % self.people.len()]
    }

    fn user(&self, place: u8) -> Option<Snapshot> {
        self.world.tenant.user(self.person(place))
    }

    fn fresh(&mut self) -> u32 {
        self.fresh += 1;
        self.fresh
    }

    async fn register(&self) -> Register {
        Register::load(&self.access, OrganizationId(self.world.organization)).await
    }

    async fn all_ready(&mut self) {
        for service in Service::ALL {
            self.site.stack_mut().ready(service, 1).await.unwrap();
        }
    }

    /// When nothing happens any more, nothing is written any more.
    async fn rest(mut self) {
        self.run(Kind::Full, &[]).await;
        self.run(Kind::Full, &[]).await;
        let before = self.written().await;
        self.run(Kind::Full, &[]).await;
        assert_eq!(self.written().await, before, "an unchanged run writes nothing");
        self.run(Kind::Delta, &[]).await;
        assert_eq!(self.written().await, before, "nor does an unchanged delta");
        invariants::quiet(self.site, &self.world).await;
        invariants::no_secrets(self.site, &self.world);
        self.site.stack_mut().check().unwrap();
    }

    async fn written(&self) -> String {
        let asked = format!(
            "SELECT string_agg(xmin || ctid::text, ',' ORDER BY id) FROM account WHERE organization_id = '{}'",
            self.world.organization
        );
        sql(&self.access, &asked).await
    }
}

/// An earlier life may have ended badly.
async fn revive(site: &mut Site) {
    for service in Service::ALL {
        if site.stack_mut().pid(service, 1).unwrap().is_none() {
            site.stack_mut().spawn(service, 1).unwrap();
        }
        site.stack_mut().ready(service, 1).await.unwrap();
    }
}

fn text<'a>(user: &'a Snapshot, attribute: &str) -> &'a str {
    user.attributes
        .get(attribute)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

//! Lives a life: does its steps one after the other, in an organization of its own, and holds the register against the
//! oracle after every run.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use contracts::v1::{LeaverAction, ReviewState, RunKind, StartRunRequest};
use domain::account::Role;
use domain::field::Field;
use domain::id::{ObjectId, OrganizationId, RunId};
use entra_sim::{Snapshot, TenantOptions};
use harness::documents::{CONNECTION, documents};
use harness::groups::{join, nest, part, security_group};
use harness::people::hire;
use harness::runs::outcomes;
use harness::site::Site;
use harness::world::World;
use local::postgres::Access;
use local::stack::Service;
use serde_json::{Value, json};
use uuid::Uuid;

use super::invariants::{self, Facts};
use super::life::{DEPARTMENTS, GROUPS, Kind, Life, Step, Trouble};
use super::terms::Terms;
use super::told::Went;
use crate::faults::gate::sql;
use crate::oracle::register::{Register, assert_run, rows};
use crate::oracle::{Directory, Oracle, Plan};
use harness::moved_clock::MovedClock;

/// A run with all its trouble.
const RUN_LIMIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);
/// How long a plan can be applied.
const PLAN_LIFE_HOURS: u32 = 24;
/// How long a delta goes on from where the last one ended; a few hours before Microsoft's seven days.
const TOKEN_HOURS: u32 = 7 * 24;

/// Somebody who lives.
pub struct Player<'s> {
    site: &'s mut Site,
    clock: &'s mut MovedClock,
    world: World,
    access: Access,
    /// Everybody there ever was, by object id.
    people: Vec<String>,
    terms: Terms,
    /// The directory as each run read it.
    directories: BTreeMap<RunId, Directory>,
    /// Whether everybody has to be decided anew.
    rules_changed: bool,
    preview: Option<Preview>,
    hours: u32,
    fresh: u32,
}

struct Preview {
    run: RunId,
    plan: Plan,
    hours: u32,
    /// The register has changed since.
    moved: bool,
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

    /// Refused operations change nothing, and that is right: the person may have left.
    fn in_directory(&mut self, step: &Step) {
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
            Step::Rehire(who) => {
                let id = of(self, who);
                let left = tenant.deleted_users().into_iter().find(|user| user.id == id);
                if let Some(user) = left {
                    let mut attributes = user.attributes;
                    for own in ["id", "createdDateTime", "securityIdentifier", "manager"] {
                        attributes.remove(own);
                    }
                    if let Ok(id) = tenant.create(attributes) {
                        self.people.push(id);
                    }
                }
            }
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

    fn group(&self, place: u8) -> &str {
        &self.terms.groups[usize::from(place) % GROUPS]
    }

    async fn by_people(&mut self, step: &Step) {
        match step {
            Step::Criteria(which) => self.change_terms(|terms| terms.criteria = *which).await,
            Step::IncludeDisabled(whether) => {
                self.change_terms(|terms| terms.include_disabled = *whether).await;
            }
            Step::Policies(which) => {
                let which = usize::from(*which) % super::life::POLICIES.len();
                self.change_terms(|terms| terms.policies = which).await;
            }
            Step::Brake(which) => {
                let which = usize::from(*which) % super::life::BRAKES.len();
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
    fn moved(&mut self) {
        if let Some(preview) = &mut self.preview {
            preview.moved = true;
        }
    }

    async fn change_terms(&mut self, change: impl FnOnce(&mut Terms)) {
        let before = self.terms.rules();
        change(&mut self.terms);
        let (connection, mapping) = (self.terms.connection(), self.terms.mapping());
        let documents = documents(&self.world.options, &self.world.url(), &connection, &mapping);
        self.world.apply(&documents).await;
        // The brake decides on nobody.
        self.rules_changed |= self.terms.rules() != before;
    }

    /// A person's word that may be refused.
    async fn by_hand(&mut self, args: &[&str]) {
        let answer = self.world.cli_run(args).await;
        println!("  {} {}", answer.code, answer.stderr.trim());
        assert!(answer.code < 2, "{args:?}: {answer:?}");
        self.moved();
    }

    async fn review(&self, which: u8) -> Option<String> {
        let mut open = self.world.reviews(ReviewState::Open).await;
        open.sort_by(|one, other| one.object_id.cmp(&other.object_id));
        let place = usize::from(which) % open.len().max(1);
        open.into_iter().nth(place).map(|review| review.id)
    }

    async fn csv(&mut self, who: u8, alike: u8) {
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
    async fn promote(&mut self, who: u8, role: u8) {
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

    async fn file(&mut self, text: &str) {
        let file = self.world.file("accounts.csv", text);
        self.by_hand(&["import", "csv", file.to_str().unwrap()]).await;
    }

    async fn register(&self) -> Register {
        Register::load(&self.access, OrganizationId(self.world.organization)).await
    }

    async fn run(&mut self, kind: Kind, troubles: &[Trouble]) {
        let before = self.register().await;
        let cursors = self.cursors().await;
        for trouble in troubles {
            trouble.prepare(&self.world.tenant);
        }
        let now = Directory::of(&self.world.tenant);
        let run = self.start(kind).await;
        self.directories.insert(run, now.clone());
        for trouble in troubles {
            trouble.strike(self.site, &self.world, &run.to_string()).await;
        }
        self.ended(run).await;
        self.world.tenant.clear_faults();
        self.all_ready().await;
        let went = Went::load(&self.access, run).await;
        println!(
            "  {run} {} delta {} proved {} {}",
            went.state, went.delta, went.proved, went.why
        );
        let since = went.delta.then(|| {
            assert!(!self.rules_changed, "a delta by rules that have changed");
            let (of, hours) = cursors["users"];
            assert!(self.hours - hours <= TOKEN_HOURS, "a delta from long ago");
            self.directories[&of].clone()
        });
        assert!(kind == Kind::Delta || !went.delta, "it was to read everything");
        let asked = self.terms.asked();
        let mut oracle = Oracle::knowing(before.clone(), self.terms.rules(), self.terms.brake());
        let may_fail = troubles.iter().any(|trouble| trouble.may_fail_a_run());
        let mut done = None;
        match went.state.as_str() {
            "failed" => assert!(may_fail, "it failed: {}", went.why),
            state => {
                let told = went.told(&now, since, &oracle, asked.as_ref());
                let plan = oracle.plan(&now.read(&told, &oracle, asked.as_ref()));
                match state {
                    "finished" => {
                        done = Some(plan.done.clone());
                        assert_run(&self.access, run, &plan.done, &oracle).await;
                        oracle.apply(plan, None);
                        self.moved();
                        self.rules_changed &= went.delta || !went.proved;
                    }
                    "planned" => {
                        assert_eq!(kind, Kind::Preview);
                        assert_run(&self.access, run, &plan.done, &oracle).await;
                        self.preview = Some(Preview {
                            run,
                            plan,
                            hours: self.hours,
                            moved: false,
                        });
                    }
                    "cancelled" => {
                        let cancelled = troubles.iter().any(|of| matches!(of, Trouble::Cancel(_)));
                        assert!(cancelled, "nobody ended it");
                        let reached = self.reached(run).await;
                        oracle.apply(plan, Some(&reached));
                        self.moved();
                    }
                    other => panic!("the run is {other}"),
                }
            }
        }
        let after = self.register().await;
        after.assert_is(&oracle, &format!("after {kind:?}, run {run}"));
        let facts = Facts {
            proved: went.proved,
            brake: self.terms.brake(),
        };
        invariants::hold(&before, &after, &facts);
        if done.is_some() || went.state == "planned" {
            self.check_counts(run).await;
        }
        invariants::told(self.site, &self.world, run, &went.state).await;
    }

    /// Applies the latest preview: exactly as it was shown, or not at all.
    async fn apply(&mut self) {
        let Some(Preview {
            run,
            plan,
            hours,
            moved,
        }) = self.preview.take()
        else {
            return;
        };
        let before = self.register().await;
        let mut oracle = Oracle::knowing(before.clone(), self.terms.rules(), self.terms.brake());
        let asked = self.world.try_apply_plan(&run.to_string()).await;
        let applied = asked.is_ok();
        match asked {
            Ok(_) => {
                self.ended(run).await;
                let went = Went::load(&self.access, run).await;
                assert_eq!(went.state, "finished", "{}", went.why);
                assert_run(&self.access, run, &plan.done, &oracle).await;
                oracle.apply(plan, None);
                self.rules_changed = self.rules_changed && self.rules_are_new().await;
            }
            Err(status) => {
                println!("  refused: {}", status.message());
                let old = self.hours - hours >= PLAN_LIFE_HOURS - 1;
                assert!(moved || old, "nothing speaks against it: {status:?}");
            }
        }
        let after = self.register().await;
        after.assert_is(&oracle, &format!("after the preview {run} was applied"));
        if applied {
            invariants::told(self.site, &self.world, run, "applied").await;
        }
    }

    /// Whether the rules have changed since the reading that deltas go on from.
    async fn rules_are_new(&self) -> bool {
        let asked = format!(
            "SELECT EXISTS (SELECT FROM delta_cursor d JOIN connection c ON c.id = d.connection_id
             WHERE c.organization_id = '{}' AND c.rules_changed_at > d.full_at)",
            self.world.organization
        );
        sql(&self.access, &asked).await == "t"
    }

    async fn import(&mut self, who: u8) {
        let Some(user) = self.user(who) else { return };
        let upn = text(&user, "userPrincipalName").to_owned();
        let before = self.register().await;
        let now = Directory::of(&self.world.tenant);
        let answer = self.world.try_import_users(&[&upn]).await.unwrap();
        let run: RunId = answer.run.unwrap().id.parse().unwrap();
        self.ended(run).await;
        let went = Went::load(&self.access, run).await;
        assert_eq!(went.state, "finished", "{}", went.why);
        let asked = self.terms.asked();
        let mut oracle = Oracle::knowing(before.clone(), self.terms.rules(), self.terms.brake());
        let told = went.told(&now, None, &oracle, asked.as_ref());
        let plan = oracle.plan(&now.read(&told, &oracle, asked.as_ref()));
        assert_run(&self.access, run, &plan.done, &oracle).await;
        oracle.apply(plan, None);
        let after = self.register().await;
        after.assert_is(&oracle, &format!("after {upn} was imported by hand, run {run}"));
        // A plan that was made before steps aside for it, record by record.
        self.preview = None;
    }

    async fn start(&self, kind: Kind) -> RunId {
        let kind = match kind {
            Kind::Full => RunKind::Full,
            Kind::Delta => RunKind::Delta,
            Kind::Preview => RunKind::Preview,
        };
        let request = StartRunRequest {
            connection: CONNECTION.to_owned(),
            kind: kind.into(),
            idempotency_key: Uuid::now_v7().to_string(),
            ..StartRunRequest::default()
        };
        let started = self.world.runs().start_run(self.world.call(request)).await;
        started.unwrap().into_inner().id.parse().unwrap()
    }

    async fn ended(&self, run: RunId) {
        let begun = Instant::now();
        let asked = format!(
            "SELECT count(*) FROM run_plan JOIN run ON run.id = run_id WHERE run_id = '{run}'
                 AND (ended_at IS NOT NULL OR (state = 'planned' AND cancel_requested_at IS NULL))"
        );
        while sql(&self.access, &asked).await == "0" {
            if begun.elapsed() > RUN_LIMIT {
                let found = format!(
                    "SELECT row_to_json(f), row_to_json(p) FROM run_fetch f LEFT JOIN run_plan p USING (run_id)
                     WHERE run_id = '{run}'"
                );
                panic!("run {run} does not end: {}", sql(&self.access, &found).await);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn all_ready(&mut self) {
        for service in Service::ALL {
            self.site.stack_mut().ready(service, 1).await.unwrap();
        }
    }

    /// Which runs the next delta goes on from, and when they were.
    async fn cursors(&self) -> BTreeMap<String, (RunId, u32)> {
        let found = rows(
            &self.access,
            &format!(
                "SELECT json_build_object('of', resource, 'run', run_id, 'hours', 0) AS row FROM delta_cursor
                 JOIN connection ON connection.id = connection_id WHERE organization_id = '{}'",
                self.world.organization
            ),
        )
        .await;
        let cursor = |row: &Value| {
            let run = row["run"].as_str().unwrap().parse().unwrap();
            (row["of"].as_str().unwrap().to_owned(), (run, self.hours))
        };
        found.iter().map(cursor).collect()
    }

    /// Whom a run that was broken off had come to.
    async fn reached(&self, run: RunId) -> std::collections::BTreeSet<ObjectId> {
        let found = rows(
            &self.access,
            &format!(
                "SELECT to_json(d.object_id) AS row FROM decision d JOIN run_page p
                     ON p.run_id = d.run_id AND p.number = d.page
                 WHERE d.run_id = '{run}' AND p.applied_at IS NOT NULL AND NOT d.late AND d.object_id IS NOT NULL"
            ),
        )
        .await;
        found
            .iter()
            .map(|id| id.as_str().unwrap().parse().unwrap())
            .collect()
    }

    /// The counting rule, from what the API says.
    async fn check_counts(&self, run: RunId) {
        let run = self.world.get_run(&run.to_string()).await;
        let counts = harness::runs::counts(&run);
        let told: u32 = outcomes(&counts).iter().map(|(_, count)| count).sum();
        assert_eq!(
            counts.seen + counts.gone,
            told,
            "seen + gone must add up: {run:#?}"
        );
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

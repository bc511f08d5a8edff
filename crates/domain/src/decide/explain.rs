//! Why a sync would decide on someone as it does: scope, rules, candidates, and what would come of it (B5).
//!
//! What comes of it is decided by [`super::decide`] itself; here it is only taken apart.

use super::{Candidates, Decision, Known, Rules, decide, failed, held_login, mapping_key};
use crate::account::{Account, Kind, Status, fold};
use crate::attribute::Attribute;
use crate::criteria::{FilterAnswer, Scope, Verdict};
use crate::decision::Skip;
use crate::field::Field;
use crate::id::AccountId;
use crate::mapping::Mapping;
use crate::never_touch::Entry;
use crate::observed::{ObservedUser, Presence};
use crate::overwrite::{Keys, Rule, is_done_with};
use crate::settle;

/// Why a sync would decide on someone as it does.
#[derive(Clone, Debug)]
pub struct Explanation<'a> {
    /// The entry of the never-touch list that keeps them.
    pub never_touch: Option<&'a Entry>,
    /// The mappings in the order in which they are asked.
    pub mappings: Vec<MappingAnswer<'a>>,
    /// The mapping that decides on them.
    pub mapping: Option<&'a Mapping>,
    /// Rules 1 to 6.
    pub rules: Vec<RuleAnswer>,
    /// What a sync would do, as far as one user tells.
    pub now: Decision<'a>,
}

/// Whether a mapping takes someone in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingAnswer<'a> {
    /// Its name.
    pub mapping: &'a str,
    /// Whether it takes them in.
    pub verdict: Verdict,
    /// Whether it decides on them.
    pub decides: bool,
    /// Its filters; none: it takes everyone in.
    pub filters: Vec<FilterAnswer<'a>>,
}

/// What a rule came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleAnswer {
    /// The rule.
    pub rule: Rule,
    /// Whether it is the one that found the account, or several of them.
    pub decides: bool,
    /// Why it was not tried, or why nothing could match.
    pub note: Option<&'static str>,
    /// What was compared.
    pub keys: Vec<Compared>,
    /// The accounts that it hits.
    pub candidates: Vec<CandidateAnswer>,
}

/// A value of the user that was compared with a field of the register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// Where it comes from.
    pub source: String,
    /// What it was compared with.
    pub field: &'static str,
    /// The value, folded; empty never equals anything.
    pub value: Option<String>,
}

/// An account that a rule hits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CandidateAnswer {
    /// The account.
    pub account: AccountId,
    /// How people tell it from others.
    pub label: String,
    /// Why it lost; none: it is the one.
    pub lost: Option<String>,
}

/// Explains what [`decide`] decides on a user who was read whole. `candidates` hold what the rules could hit even for
/// someone who is linked.
#[must_use]
pub fn explain<'a>(
    observed: &'a ObservedUser<'_>,
    known: Option<Known<'a>>,
    candidates: Candidates<'a>,
    rules: &'a Rules,
    new_account: AccountId,
) -> Explanation<'a> {
    let linked = known.and_then(|known| known.account);
    let (_, mapping) = rules.scope(observed);
    let now = decide(observed, 0, known, candidates, rules, new_account);
    let now = unless_held(now, candidates, rules);
    let matched = |skip| {
        let mut accounts = candidates.accounts.iter();
        let kept = |account| rules.never_touch.hit(observed, Some(account));
        (skip == Some(Skip::NeverTouch))
            .then(|| accounts.find_map(kept))
            .flatten()
    };
    Explanation {
        never_touch: rules
            .never_touch
            .hit(observed, linked)
            .or_else(|| matched(now.skip)),
        mappings: scope(observed, rules),
        mapping,
        rules: trail(observed, linked, candidates, mapping, rules),
        now,
    }
}

/// A run finds out at its end whether the holder of an account that is to be taken is still there.
fn unless_held<'a>(now: Decision<'a>, candidates: Candidates<'_>, rules: &Rules) -> Decision<'a> {
    let holder = candidates.holders.iter().find(|holder| {
        Some(holder.object) == now.takes_from
            && holder.connection == rules.connection
            && holder.status.is_alive()
    });
    let account = candidates
        .accounts
        .iter()
        .find(|account| Some(account.id) == now.account);
    match (holder, account, now.rule) {
        (Some(holder), Some(account), Some(rule)) => {
            let held = settle::still_held(&account.label(), rule, &holder.object.to_string());
            failed(now, held)
        }
        _ => now,
    }
}

fn scope<'a>(observed: &ObservedUser<'_>, rules: &'a Rules) -> Vec<MappingAnswer<'a>> {
    let mut decided = false;
    let mut answers = Vec::with_capacity(rules.mappings.len());
    for mapping in &rules.mappings {
        let (verdict, filters) = if decided {
            (Verdict::NotAsked, mapping.criteria.not_asked())
        } else {
            let verdict = match mapping.criteria.scope(observed) {
                Scope::In(_) => Verdict::Holds,
                Scope::Out(_) => Verdict::DoesNotHold,
                Scope::Unknown => Verdict::Unknown,
            };
            (verdict, mapping.criteria.explain(observed))
        };
        let decides = matches!(verdict, Verdict::Holds | Verdict::Unknown);
        decided |= decides;
        answers.push(MappingAnswer {
            mapping: &mapping.name,
            verdict,
            decides,
            filters,
        });
    }
    answers
}

fn trail(
    observed: &ObservedUser<'_>,
    linked: Option<&Account>,
    candidates: Candidates<'_>,
    mapping: Option<&Mapping>,
    rules: &Rules,
) -> Vec<RuleAnswer> {
    let mut answers = vec![link_itself(observed, linked)];
    let mut decided = linked.map(|_| Rule::ObjectId);
    let tried: &[Rule] = match rules.kind {
        Kind::Account => &Rule::IN_ORDER[1..],
        Kind::Person => &[Rule::Identifier],
    };
    for rule in tried.iter().copied() {
        let answer = match mapping {
            None => not_tried(rule, "no mapping takes the user in: they are matched with nobody"),
            Some(_) if observed.presence != Presence::Present => {
                not_tried(rule, "the user is not in the directory")
            }
            Some(mapping) if rule == Rule::Email && !mapping.override_by_email => {
                not_tried(rule, "it is off: overrideByEmail of the mapping is not set")
            }
            Some(mapping) => Trial {
                observed,
                linked,
                candidates,
                mapping,
                rules,
            }
            .try_rule(rule, decided),
        };
        if answer.decides {
            decided = Some(rule);
        }
        answers.push(answer);
    }
    answers
}

/// Rule 1 is the link.
fn link_itself(observed: &ObservedUser<'_>, linked: Option<&Account>) -> RuleAnswer {
    RuleAnswer {
        rule: Rule::ObjectId,
        decides: linked.is_some(),
        note: linked.is_none().then_some("the object is linked to no account"),
        keys: vec![Compared {
            source: "object id".to_owned(),
            field: "link",
            value: Some(observed.id.to_string()),
        }],
        candidates: linked
            .map(|account| CandidateAnswer {
                account: account.id,
                label: account.label(),
                lost: None,
            })
            .into_iter()
            .collect(),
    }
}

const fn not_tried(rule: Rule, why: &'static str) -> RuleAnswer {
    RuleAnswer {
        rule,
        decides: false,
        note: Some(why),
        keys: Vec::new(),
        candidates: Vec::new(),
    }
}

/// What rules 2 to 6 are tried with.
struct Trial<'a> {
    observed: &'a ObservedUser<'a>,
    linked: Option<&'a Account>,
    candidates: Candidates<'a>,
    mapping: &'a Mapping,
    rules: &'a Rules,
}

impl Trial<'_> {
    fn try_rule(&self, rule: Rule, decided: Option<Rule>) -> RuleAnswer {
        let keys = Keys::of(self.observed, self.mapping);
        let person = mapping_key(self.observed, self.mapping);
        let compared = compared(rule, &keys, (self.observed, self.mapping));
        let hit = |account: &Account| match rule {
            Rule::Identifier => person.is_some() && held_login(account) == person,
            _ => rule.hits(&keys, account),
        };
        let hits: Vec<&Account> = self
            .candidates
            .accounts
            .iter()
            .filter(|account| hit(account))
            .collect();
        let free = |account: &&&Account| !self.candidates.cuts.contains(&account.id);
        let live = hits
            .iter()
            .filter(free)
            .any(|account| account.status != Status::Deleted);
        let eligible = |account: &Account| {
            free(&&account) && !is_done_with(account) && (!live || account.status != Status::Deleted)
        };
        let several = hits.iter().filter(|account| eligible(account)).count() > 1;
        let any = hits.iter().any(|account| eligible(account));
        let candidates = hits
            .iter()
            .map(|account| CandidateAnswer {
                account: account.id,
                label: account.label(),
                lost: self.lost(account, decided, eligible(account), several),
            })
            .collect();
        let nothing = compared.iter().all(|key| key.value.is_none());
        RuleAnswer {
            rule,
            decides: decided.is_none() && any,
            note: nothing.then_some("the user has no value to compare"),
            keys: compared,
            candidates,
        }
    }

    /// Why an account that a rule hits is not the one.
    fn lost(
        &self,
        account: &Account,
        decided: Option<Rule>,
        eligible: bool,
        several: bool,
    ) -> Option<String> {
        match (self.linked, decided) {
            (Some(linked), _) if linked.id == account.id => {
                return Some("it is the linked account: the link goes before the rules".to_owned());
            }
            (Some(_), _) => return Some("the link goes before the rules".to_owned()),
            (None, Some(rule)) => return Some(format!("{rule} had decided before")),
            (None, None) => (),
        }
        if self.candidates.cuts.contains(&account.id) {
            return Some("a person cut its link to this object".to_owned());
        }
        if is_done_with(account) {
            return Some("it is deleted, and nothing brings it back: a new one is made instead".to_owned());
        }
        if !eligible {
            return Some("it is deleted, and another account that is not matches".to_owned());
        }
        if several {
            return Some("the rule matches several accounts: none of them is taken".to_owned());
        }
        if let Some(entry) = self.rules.never_touch.hit(self.observed, Some(account)) {
            return Some(entry.reason());
        }
        let mut holders = self.candidates.holders.iter();
        let holder = holders.find(|holder| {
            holder.account == account.id && holder.object != self.observed.id && holder.status.is_alive()
        })?;
        let whose = if holder.connection == self.rules.connection {
            ""
        } else {
            " of another connection"
        };
        Some(format!(
            "it belongs to the object {}{whose}, which is in the directory",
            holder.object
        ))
    }
}

fn compared(rule: Rule, keys: &Keys, (observed, mapping): (&ObservedUser<'_>, &Mapping)) -> Vec<Compared> {
    let by_attribute = |attribute: Attribute, field: Field, value: &Option<String>| Compared {
        source: attribute.to_string(),
        field: field.key(),
        value: value.clone(),
    };
    let mapped = |field: Field, value: &Option<String>| Compared {
        source: mapping.source_of(field).unwrap_or_default(),
        field: field.key(),
        value: value.clone(),
    };
    match rule {
        Rule::ObjectId => Vec::new(),
        Rule::OnPremisesUpnOrLookupGuid => vec![
            by_attribute(
                Attribute::OnPremisesUserPrincipalName,
                Field::Upn,
                &keys.on_premises_upn,
            ),
            by_attribute(
                Attribute::OnPremisesImmutableId,
                Field::LookupGuid,
                &keys.lookup_guid,
            ),
        ],
        Rule::OnPremisesDomainAndSam => vec![
            by_attribute(
                Attribute::OnPremisesDomainName,
                Field::Domain,
                &keys.on_premises_domain,
            ),
            by_attribute(
                Attribute::OnPremisesSamAccountName,
                Field::Login,
                &keys.on_premises_sam,
            ),
        ],
        Rule::LoginAndDomain => vec![
            mapped(Field::Login, &keys.login),
            mapped(Field::Domain, &keys.domain),
        ],
        Rule::LoginWithoutDomain => vec![mapped(Field::Login, &keys.login)],
        Rule::Email => vec![mapped(Field::Email, &keys.email)],
        Rule::Identifier => [Field::Identifier, Field::Entity, Field::Collection]
            .map(|field| mapped(field, &mapping.value(field, observed).map(|value| fold(&value))))
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{NEW, account, linked, rules, user};
    use super::*;
    use crate::criteria::{AttributeClause, Clause, Filter, Operator};
    use crate::decide::Holder;
    use crate::decision::{LinkStatus, Outcome};
    use crate::id::ObjectId;
    use crate::observed::{Completeness, Mention};
    use uuid::Uuid;

    fn ask(attribute: Attribute, value: &str) -> Clause {
        Clause::Attribute(AttributeClause::new(attribute, Operator::Equals, vec![value.to_owned()]).unwrap())
    }

    fn of(rules: &[RuleAnswer], rule: Rule) -> &RuleAnswer {
        rules.iter().find(|answer| answer.rule == rule).unwrap()
    }

    #[test]
    fn b5_every_clause_tells_whether_it_holds_and_which_one_decided() {
        let mut rules = rules();
        let mut user = user(Presence::Present, Completeness::Whole);
        for (attribute, value) in [(Attribute::Department, "Legal"), (Attribute::City, "Oslo")] {
            user.attributes[attribute as usize] = Mention::Value(value.into());
        }
        let filter = |clauses| Filter { clauses };
        rules.mappings[0].criteria.filters = vec![
            filter(vec![
                ask(Attribute::Department, "Legal"),
                ask(Attribute::City, "Bergen"),
                ask(Attribute::Country, "NO"),
            ]),
            filter(vec![ask(Attribute::City, "Oslo")]),
            filter(vec![ask(Attribute::City, "Rome")]),
        ];
        let mut second = rules.mappings[0].clone();
        second.name = "others".to_owned();
        rules.mappings.push(second);
        let told = explain(&user, None, Candidates::default(), &rules, NEW);
        let verdicts: Vec<Vec<Verdict>> = told.mappings[0]
            .filters
            .iter()
            .map(|filter| filter.clauses.iter().map(|clause| clause.verdict).collect())
            .collect();
        assert_eq!(
            verdicts,
            [
                vec![Verdict::Holds, Verdict::DoesNotHold, Verdict::NotAsked],
                vec![Verdict::Holds],
                vec![Verdict::NotAsked],
            ]
        );
        assert!(told.mappings[0].filters[0].clauses[1].decides && told.mappings[0].filters[1].decides);
        assert_eq!(
            (told.mappings[0].verdict, told.mappings[1].verdict),
            (Verdict::Holds, Verdict::NotAsked)
        );
        assert_eq!(told.mapping.map(|mapping| mapping.name.as_str()), Some("staff"));
    }

    #[test]
    fn b5_the_rules_tell_what_they_compared_and_why_accounts_lost() {
        let mut rules = rules();
        rules.mappings[0].override_by_email = true;
        let mut user = user(Presence::Present, Completeness::Whole);
        user.attributes[Attribute::Mail as usize] = Mention::Value("ann@contoso.com".into());
        let by_login = account(Status::Active);
        let mut deleted = account(Status::Deleted);
        deleted.id = AccountId(Uuid::from_u128(6));
        let mut by_mail = account(Status::Active);
        by_mail.id = AccountId(Uuid::from_u128(7));
        by_mail.values[Field::Login as usize] = Some("other".to_owned());
        by_mail.values[Field::Email as usize] = Some("ann@contoso.com".to_owned());
        let mut cut = account(Status::Active);
        cut.id = AccountId(Uuid::from_u128(8));
        let accounts = [by_login, deleted, by_mail, cut];
        let cuts = [accounts[3].id];
        let candidates = Candidates {
            accounts: &accounts,
            holders: &[],
            cuts: &cuts,
        };
        let told = explain(&user, None, candidates, &rules, NEW);
        let deciding = of(&told.rules, Rule::LoginAndDomain);
        assert!(deciding.decides);
        let keys: Vec<_> = deciding
            .keys
            .iter()
            .map(|key| (key.source.as_str(), key.field, key.value.as_deref()))
            .collect();
        assert_eq!(
            keys,
            [
                ("userPrincipalName.local", "login", Some("ann")),
                ("userPrincipalName.domain", "domain", Some("contoso.com"))
            ]
        );
        let lost: Vec<Option<&str>> = deciding
            .candidates
            .iter()
            .map(|candidate| candidate.lost.as_deref())
            .collect();
        assert_eq!(
            lost,
            [
                None,
                Some("it is deleted, and another account that is not matches"),
                Some("a person cut its link to this object"),
            ]
        );
        let weaker = of(&told.rules, Rule::Email);
        assert_eq!(
            weaker.candidates[0].lost.as_deref(),
            Some("rule 4: login name and domain had decided before")
        );
        assert_eq!(
            of(&told.rules, Rule::OnPremisesDomainAndSam).note,
            Some("the user has no value to compare")
        );
        assert_eq!(told.now.account, Some(accounts[0].id));
    }

    #[test]
    fn b5_an_account_whose_object_is_there_is_not_taken_and_the_link_goes_before_the_rules() {
        let rules = rules();
        let user = user(Presence::Present, Completeness::Whole);
        let accounts = [account(Status::Active)];
        let holders = [Holder {
            account: accounts[0].id,
            connection: rules.connection,
            object: ObjectId(Uuid::from_u128(8)),
            status: LinkStatus::Active,
        }];
        let candidates = Candidates {
            accounts: &accounts,
            holders: &holders,
            cuts: &[],
        };
        let told = explain(&user, None, candidates, &rules, NEW);
        assert_eq!(told.now.outcome, Outcome::Failed);
        let lost = &of(&told.rules, Rule::LoginAndDomain).candidates[0].lost;
        assert!(
            lost.as_ref()
                .is_some_and(|why| why.contains("is in the directory"))
        );

        let mut own = account(Status::Active);
        own.id = AccountId(Uuid::from_u128(9));
        let known = Some(linked(&own, LinkStatus::Active));
        let told = explain(&user, known, candidates, &rules, NEW);
        assert!(told.rules[0].decides && told.rules[0].candidates[0].lost.is_none());
        let lost = &of(&told.rules, Rule::LoginAndDomain).candidates[0].lost;
        assert_eq!(lost.as_deref(), Some("the link goes before the rules"));
    }

    #[test]
    fn b5_whom_no_mapping_takes_in_is_matched_with_nobody() {
        let mut rules = rules();
        rules.mappings[0].criteria.filters = vec![Filter {
            clauses: vec![ask(Attribute::City, "Rome")],
        }];
        let user = user(Presence::Present, Completeness::Whole);
        let told = explain(&user, None, Candidates::default(), &rules, NEW);
        assert_eq!(told.now.skip, Some(Skip::OutOfScope));
        assert!(told.mapping.is_none() && told.rules[1..].iter().all(|rule| rule.note.is_some()));
    }
}

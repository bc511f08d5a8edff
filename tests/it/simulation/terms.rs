//! What a connection decides by during a life: as the documents that people apply, and as the rules of the oracle.

use std::collections::BTreeSet;

use domain::account::{Kind, Role};
use domain::attribute::Attribute;
use domain::brake::Brake;
use domain::criteria::{AttributeClause, Clause, Criteria, Filter, MembershipClause, Operator};
use domain::decide::Rules;
use domain::id::{ConnectionId, MappingId, ObjectId};
use domain::leaver::{Policies, Policy, Returning};
use domain::mapping::Mapping;
use domain::never_touch::{Entry, NeverTouch, Whom};
use serde_json::Value;
use uuid::Uuid;

use super::life::{BRAKES, POLICIES, criteria};

/// What was chosen.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// Of [`criteria`].
    pub criteria: u8,
    /// Whether disabled people who match nobody come in.
    pub include_disabled: bool,
    /// Of [`POLICIES`].
    pub policies: usize,
    /// Of [`BRAKES`].
    pub brake: usize,
    /// The groups of the tenant.
    pub groups: Vec<String>,
    /// Whom nobody may touch, with the entry's id.
    pub never_touch: Vec<(String, ObjectId)>,
}

impl Terms {
    /// Further lines of the connection's document.
    pub fn connection(&self) -> String {
        let Brake { percent, count, from } = self.brake();
        format!(
            "{}\nbrake: {{ percent: {percent}, count: {count}, from: {from} }}\n",
            POLICIES[self.policies]
        )
    }

    /// Further lines of the mapping's document.
    pub fn mapping(&self) -> String {
        let criteria = criteria(self.criteria, &self.groups);
        format!(
            "overrideByEmail: true\nincludeDisabled: {}\ncriteria: {criteria}\n",
            self.include_disabled
        )
    }

    /// The brake.
    pub fn brake(&self) -> Brake {
        BRAKES[self.brake]
    }

    /// The rules.
    pub fn rules(&self) -> Rules {
        let mut mapping = Mapping::new(
            MappingId(Uuid::nil()),
            "of the oracle".to_owned(),
            Role::User,
            Vec::new(),
        );
        mapping.override_by_email = true;
        mapping.include_disabled = self.include_disabled;
        mapping.criteria = self.criteria();
        Rules {
            kind: Kind::Account,
            connection: ConnectionId(Uuid::nil()),
            mappings: vec![mapping],
            policies: self.policies(),
            never_touch: NeverTouch {
                entries: self
                    .never_touch
                    .iter()
                    .map(|(_, object)| Entry {
                        whom: Whom::Object(*object),
                        note: String::new(),
                    })
                    .collect(),
            },
        }
    }

    /// The groups whose members matter; none where groups aren't read.
    pub fn asked(&self) -> Option<BTreeSet<ObjectId>> {
        let asked: BTreeSet<ObjectId> = self.criteria().groups().collect();
        (!asked.is_empty()).then_some(asked)
    }

    fn criteria(&self) -> Criteria {
        let filters = criteria(self.criteria, &self.groups);
        let filters = filters.as_array().expect("filters are a list").iter();
        Criteria {
            filters: filters
                .map(|filter| Filter {
                    clauses: filter
                        .as_array()
                        .expect("a filter is a list")
                        .iter()
                        .map(clause)
                        .collect(),
                })
                .collect(),
        }
    }

    fn policies(&self) -> Policies {
        let of = |disabled, soft_deleted, gone, out_of_scope| Policies {
            disabled,
            soft_deleted,
            gone,
            out_of_scope,
            returning: Returning::default(),
            manual_deletion: false,
        };
        let (nothing, deactivate) = (Policy::Nothing, Policy::Deactivate);
        match self.policies {
            0 => Policies::default(),
            1 => of(deactivate, Policy::Delete, Policy::Delete, Policy::Review),
            2 => Policies {
                manual_deletion: true,
                ..of(deactivate, Policy::Review, Policy::Review, Policy::Review)
            },
            3 => of(nothing, nothing, deactivate, nothing),
            4 => of(Policy::Review, Policy::Delete, deactivate, deactivate),
            6 => Policies {
                returning: Returning::Nothing,
                ..of(deactivate, Policy::Delete, deactivate, deactivate)
            },
            _ => of(Policy::Delete, Policy::Review, Policy::Delete, Policy::Delete),
        }
    }
}

fn clause(written: &Value) -> Clause {
    let text = |key: &str| written[key].as_str().map(str::to_owned);
    let operator = text("operator").expect("a clause has an operator");
    let values: Vec<String> = text("value").into_iter().collect();
    if let Some(transitive) = MembershipClause::transitive_of_key(&operator) {
        return Clause::Membership(MembershipClause::new(transitive, &values).expect("a group's id"));
    }
    let name = text("attribute").expect("it asks for an attribute");
    let attribute = Attribute::ALL
        .into_iter()
        .find(|attribute| attribute.name() == name)
        .expect("an attribute of the catalogue");
    let operator = Operator::of_key(&operator).expect("an operator");
    Clause::Attribute(AttributeClause::new(attribute, operator, values).expect("it can be asked"))
}

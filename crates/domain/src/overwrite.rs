//! The six overwrite rules: which account of the register a directory user is (M4).

use std::fmt;

use crate::account::{Account, Status, fold};
use crate::attribute::Attribute;
use crate::decide::held_login;
use crate::decision::LoginKey;
use crate::field::Field;
use crate::id::AccountId;
use crate::lookup_guid;
use crate::mapping::Mapping;
use crate::observed::ObservedUser;

/// The rules, by the numbers that users know. The first that hits wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Rule {
    /// Rule 1. The object id is linked to the account.
    ObjectId = 1,
    /// Rule 2. The on-premises UPN is the account's UPN, or the on-premises immutable id is its lookup GUID.
    OnPremisesUpnOrLookupGuid = 2,
    /// Rule 3. The on-premises domain and SAM account name are the account's domain and login.
    OnPremisesDomainAndSam = 3,
    /// Rule 4. Login and domain are the account's login and domain.
    LoginAndDomain = 4,
    /// Rule 5. Login is the account's login, and the account has no domain.
    LoginWithoutDomain = 5,
    /// Rule 6. The e-mail is the account's e-mail; only while "override by e-mail" is on.
    Email = 6,
    /// The unique identifier of a mapping to people, within their collection (M3). No overwrite rule of accounts.
    Identifier = 7,
}

/// What a directory user is compared by, folded. `None` is empty, and empty never equals empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// On-premises UPN (rule 2).
    pub on_premises_upn: Option<String>,
    /// The immutable id as a lookup GUID (rule 2).
    pub lookup_guid: Option<String>,
    /// On-premises domain (rule 3).
    pub on_premises_domain: Option<String>,
    /// On-premises SAM account name (rule 3).
    pub on_premises_sam: Option<String>,
    /// Login, as the mapping gives it (rules 4 and 5).
    pub login: Option<String>,
    /// Domain, as the mapping gives it (rule 4).
    pub domain: Option<String>,
    /// E-mail, while rule 6 is on.
    pub email: Option<String>,
}

/// Which account a directory user without a link is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match<'a> {
    /// None: create one.
    New,
    /// This one.
    Overwrites {
        /// The account.
        account: &'a Account,
        /// The deciding rule.
        by: Rule,
    },
    /// Two or more by the deciding rule: the user fails (M5).
    Disputed {
        /// The deciding rule.
        by: Rule,
        /// Two of them.
        between: [&'a Account; 2],
    },
}

impl Rule {
    /// Those of accounts, in the order in which they are tried.
    pub const IN_ORDER: [Self; 6] = [
        Self::ObjectId,
        Self::OnPremisesUpnOrLookupGuid,
        Self::OnPremisesDomainAndSam,
        Self::LoginAndDomain,
        Self::LoginWithoutDomain,
        Self::Email,
    ];

    /// The rule of this number; 0 is none.
    #[must_use]
    pub fn of_number(number: i16) -> Option<Self> {
        let mut rules = Self::IN_ORDER.into_iter().chain([Self::Identifier]);
        rules.find(|rule| *rule as i16 == number)
    }

    /// What it compares, in words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ObjectId => "object id",
            Self::OnPremisesUpnOrLookupGuid => "on-premises UPN or lookup GUID",
            Self::OnPremisesDomainAndSam => "on-premises domain and login name",
            Self::LoginAndDomain => "login name and domain",
            Self::LoginWithoutDomain => "login name of an account without domain",
            Self::Email => "e-mail",
            Self::Identifier => "the unique identifier",
        }
    }

    /// Whether the rule says that this account is the user. Rule 1 is the link itself, which the caller knows.
    pub(crate) fn hits(self, keys: &Keys, account: &Account) -> bool {
        let is = |key: &Option<String>, field| same(key.as_deref(), account.value(field));
        match self {
            Self::ObjectId | Self::Identifier => false,
            Self::OnPremisesUpnOrLookupGuid => {
                is(&keys.on_premises_upn, Field::Upn) || is(&keys.lookup_guid, Field::LookupGuid)
            }
            Self::OnPremisesDomainAndSam => {
                is(&keys.on_premises_domain, Field::Domain) && is(&keys.on_premises_sam, Field::Login)
            }
            Self::LoginAndDomain => is(&keys.login, Field::Login) && is(&keys.domain, Field::Domain),
            Self::LoginWithoutDomain => {
                is(&keys.login, Field::Login) && account.value(Field::Domain).is_none()
            }
            Self::Email => is(&keys.email, Field::Email),
        }
    }
}

/// Finds the account that a directory user without a link is.
///
/// `existing` holds at least every account that any rule could hit, as [`Keys`] tells. A deleted account counts only
/// where no other one does, and only if it was deleted for a cause that can end.
#[must_use]
pub fn decide<'a>(keys: &Keys, existing: &'a [Account]) -> Match<'a> {
    decide_but(keys, existing, &[])
}

/// The same without these accounts.
#[must_use]
pub fn decide_but<'a>(keys: &Keys, existing: &'a [Account], but: &[AccountId]) -> Match<'a> {
    for by in Rule::IN_ORDER {
        let found = one_of(existing, by, |account| {
            by.hits(keys, account) && !but.contains(&account.id)
        });
        if found != Match::New {
            return found;
        }
    }
    Match::New
}

/// Finds the person that a directory user without a link is, by the mapping's unique identifier (M3); none of these.
#[must_use]
pub fn person<'a>(key: Option<&LoginKey>, existing: &'a [Account], but: &[AccountId]) -> Match<'a> {
    one_of(existing, Rule::Identifier, |person| {
        key.is_some() && held_login(person).as_ref() == key && !but.contains(&person.id)
    })
}

/// Whether an account was deleted for no cause that a sync knows, as by taking back the run that made it: it would never be
/// active again, and so no rule gives it to anybody.
pub(crate) fn is_done_with(account: &Account) -> bool {
    account.status == Status::Deleted && account.deactivated_for.is_none()
}

fn one_of(existing: &[Account], by: Rule, hits: impl Fn(&Account) -> bool) -> Match<'_> {
    let (deleted, present): (Vec<_>, Vec<_>) = existing
        .iter()
        .filter(|account| !is_done_with(account) && hits(account))
        .partition(|account| account.status == Status::Deleted);
    let hits = if present.is_empty() { deleted } else { present };
    match hits[..] {
        [] => Match::New,
        [account] => Match::Overwrites { account, by },
        [one, other, ..] => Match::Disputed {
            by,
            between: [one, other],
        },
    }
}

impl Keys {
    /// What this user is compared by.
    #[must_use]
    pub fn of(observed: &ObservedUser<'_>, mapping: &Mapping) -> Self {
        let attribute = |attribute| observed.value(attribute).map(fold);
        let field = |field| mapping.value(field, observed).map(|value| fold(&value));
        Self {
            on_premises_upn: attribute(Attribute::OnPremisesUserPrincipalName),
            lookup_guid: observed
                .value(Attribute::OnPremisesImmutableId)
                .map(|anchor| fold(&lookup_guid::of_immutable_id(anchor))),
            on_premises_domain: attribute(Attribute::OnPremisesDomainName),
            on_premises_sam: attribute(Attribute::OnPremisesSamAccountName),
            login: field(Field::Login),
            domain: field(Field::Domain),
            email: if mapping.override_by_email {
                field(Field::Email)
            } else {
                None
            },
        }
    }
}

/// Whether two values are the same, letter case aside. An absent value never equals an absent value.
fn same(folded: Option<&str>, stored: Option<&str>) -> bool {
    match (folded, stored) {
        (Some(folded), Some(stored)) => folded == fold(stored),
        _ => false,
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identifier => f.write_str(self.name()),
            _ => write!(f, "rule {}: {}", *self as u8, self.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{Kind, Role};
    use crate::id::AccountId;
    use crate::leaver::Cause;
    use uuid::Uuid;

    fn account(number: u128, fields: &[(Field, &str)]) -> Account {
        let mut values = [const { None }; Field::COUNT];
        for (field, value) in fields {
            values[*field as usize] = Some((*value).to_owned());
        }
        Account {
            id: AccountId(Uuid::from_u128(number)),
            kind: Kind::Account,
            version: 1,
            role: Role::User,
            status: Status::Active,
            deactivated_for: None,
            values,
        }
    }

    /// A user and an account of which exactly this rule says that they are one. Written as a `match`, so that a new
    /// rule does not compile before it has its case.
    fn alone(rule: Rule) -> Option<(Keys, Account)> {
        match rule {
            Rule::ObjectId | Rule::Identifier => None,
            Rule::OnPremisesUpnOrLookupGuid => Some((
                Keys {
                    on_premises_upn: Some("ann@corp.local".to_owned()),
                    ..Keys::default()
                },
                account(2, &[(Field::Upn, "Ann@Corp.local")]),
            )),
            Rule::OnPremisesDomainAndSam => Some((
                Keys {
                    on_premises_domain: Some("corp".to_owned()),
                    on_premises_sam: Some("ann".to_owned()),
                    ..Keys::default()
                },
                account(3, &[(Field::Domain, "CORP"), (Field::Login, "Ann")]),
            )),
            Rule::LoginAndDomain => Some((
                Keys {
                    login: Some("ann".to_owned()),
                    domain: Some("contoso.com".to_owned()),
                    ..Keys::default()
                },
                account(4, &[(Field::Login, "ANN"), (Field::Domain, "Contoso.com")]),
            )),
            Rule::LoginWithoutDomain => Some((
                Keys {
                    login: Some("ann".to_owned()),
                    domain: Some("contoso.com".to_owned()),
                    ..Keys::default()
                },
                account(5, &[(Field::Login, "ann")]),
            )),
            Rule::Email => Some((
                Keys {
                    email: Some("ann@contoso.com".to_owned()),
                    ..Keys::default()
                },
                account(6, &[(Field::Email, "ANN@contoso.com")]),
            )),
        }
    }

    #[test]
    fn every_rule_decides_where_it_alone_hits() {
        for rule in Rule::IN_ORDER {
            let Some((keys, account)) = alone(rule) else {
                continue;
            };
            let existing = [account];
            assert_eq!(
                decide(&keys, &existing),
                Match::Overwrites {
                    account: &existing[0],
                    by: rule
                }
            );
        }
    }

    #[test]
    fn rule_2_meets_the_lookup_guid_too() {
        let keys = Keys {
            lookup_guid: Some("e1234".to_owned()),
            ..Keys::default()
        };
        let existing = [account(1, &[(Field::LookupGuid, "E1234")])];
        assert!(matches!(
            decide(&keys, &existing),
            Match::Overwrites {
                by: Rule::OnPremisesUpnOrLookupGuid,
                ..
            }
        ));
    }

    #[test]
    fn the_first_rule_that_hits_wins() {
        let keys = Keys {
            on_premises_upn: Some("ann@corp.local".to_owned()),
            on_premises_domain: Some("corp".to_owned()),
            on_premises_sam: Some("ann".to_owned()),
            login: Some("ann".to_owned()),
            domain: Some("contoso.com".to_owned()),
            email: Some("ann@contoso.com".to_owned()),
            lookup_guid: None,
        };
        let mut existing: Vec<Account> = Rule::IN_ORDER
            .into_iter()
            .rev()
            .filter_map(alone)
            .map(|(_, account)| account)
            .collect();
        let mut order = Vec::new();
        while let Match::Overwrites { account, by } = decide(&keys, &existing) {
            order.push(by);
            let taken = account.id;
            existing.retain(|account| account.id != taken);
        }
        assert_eq!(order, &Rule::IN_ORDER[1..]);
        assert_eq!(decide(&keys, &existing), Match::New);
    }

    #[test]
    fn empty_never_equals_empty() {
        let nobody = account(1, &[]);
        assert_eq!(decide(&Keys::default(), &[nobody]), Match::New);
        // A user without a domain is not the account without a domain by rule 4, only by rule 5.
        let keys = Keys {
            login: Some("ann".to_owned()),
            ..Keys::default()
        };
        let existing = [account(1, &[(Field::Login, "ann")])];
        assert!(matches!(
            decide(&keys, &existing),
            Match::Overwrites {
                by: Rule::LoginWithoutDomain,
                ..
            }
        ));
    }

    #[test]
    fn two_accounts_by_the_deciding_rule_are_a_dispute() {
        let keys = Keys {
            login: Some("ann".to_owned()),
            email: Some("ann@contoso.com".to_owned()),
            ..Keys::default()
        };
        let existing = [
            account(1, &[(Field::Login, "ann")]),
            account(2, &[(Field::Login, "Ann")]),
        ];
        assert!(matches!(
            decide(&keys, &existing),
            Match::Disputed {
                by: Rule::LoginWithoutDomain,
                ..
            }
        ));
    }

    #[test]
    fn a_deleted_account_counts_only_where_no_other_does() {
        let keys = Keys {
            login: Some("ann".to_owned()),
            ..Keys::default()
        };
        let mut existing = vec![account(1, &[(Field::Login, "ann")])];
        existing[0].status = Status::Deleted;
        assert_eq!(
            decide(&keys, &existing),
            Match::New,
            "deleted for no cause that could end, it would stay so"
        );
        existing[0].deactivated_for = Some(Cause::Gone);
        assert!(
            matches!(decide(&keys, &existing), Match::Overwrites { account, .. } if account.id.0.as_u128() == 1)
        );
        existing.push(account(2, &[(Field::Login, "ann")]));
        assert!(
            matches!(decide(&keys, &existing), Match::Overwrites { account, .. } if account.id.0.as_u128() == 2)
        );
    }
}

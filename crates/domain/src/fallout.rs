//! Who would fall out of scope if criteria changed, as far as the register knows: told when they are saved, before
//! anything is read (F4).

use std::borrow::Cow;

use crate::account::Account;
use crate::attribute::{Attribute, Kind};
use crate::criteria::{Scope, Truth};
use crate::field::{Field, Reading};
use crate::id::ObjectId;
use crate::mapping::{Authority, Mapping, Row, Source};
use crate::membership::Membership;
use crate::observed::{Completeness, Mention, ObservedUser, Presence};

/// Whether someone whom the mappings `before` brought in, and who is known to belong to these groups, falls out of the
/// mappings `after`.
#[must_use]
pub fn falls_out(
    object: ObjectId,
    account: &Account,
    groups: Option<&[Membership]>,
    before: &[Mapping],
    after: &[Mapping],
) -> Truth {
    let mut user = recalled(object, account, before);
    user.groups = groups.map(Cow::Borrowed);
    let scope = after
        .iter()
        .map(|mapping| mapping.criteria.scope(&user))
        .find(|scope| !matches!(scope, Scope::Out(_)));
    match scope {
        None | Some(Scope::Out(_)) => Truth::Yes,
        Some(Scope::In(_)) => Truth::No,
        Some(Scope::Unknown) => Truth::Unknown,
    }
}

/// What the directory said of someone, as far as each of these mappings keeps it in the same field.
fn recalled<'a>(object: ObjectId, account: &'a Account, mappings: &[Mapping]) -> ObservedUser<'a> {
    let mut user = ObservedUser::new(object, Presence::Present, Completeness::Partial);
    for attribute in Attribute::ALL {
        if let Some(field) = kept_in(attribute, mappings) {
            user.attributes[attribute as usize] = match account.value(field) {
                Some(value) => Mention::Value(value.into()),
                None => Mention::Cleared,
            };
        }
    }
    user
}

fn kept_in(attribute: Attribute, mappings: &[Mapping]) -> Option<Field> {
    let (first, rest) = mappings.split_first()?;
    let keeps = |mapping: &Mapping, field: Field| {
        mapping
            .rows
            .iter()
            .any(|row| row.field == field && keeps_as_it_is(row, attribute))
    };
    first
        .rows
        .iter()
        .map(|row| row.field)
        .find(|field| keeps(first, *field) && rest.iter().all(|mapping| keeps(mapping, *field)))
}

/// Whether the row's field holds what the attribute last was. A list does not survive being put on one line.
fn keeps_as_it_is(row: &Row, attribute: Attribute) -> bool {
    let source = Source::Attribute {
        reading: Reading::Whole(attribute),
        default: None,
    };
    row.source == source && row.authority == Authority::Always && row.clear && attribute.kind() != Kind::List
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::account::{Kind, Role, Status};
    use crate::criteria::{AttributeClause, Clause, Filter, MembershipClause, Operator};
    use crate::id::{AccountId, MappingId};

    fn mapping(rows: Vec<Row>) -> Mapping {
        Mapping::new(MappingId(Uuid::nil()), "m".to_owned(), Role::User, rows)
    }

    fn only(attribute: Attribute, value: &str) -> Vec<Mapping> {
        let clause = AttributeClause::new(attribute, Operator::Equals, vec![value.to_owned()]);
        let mut mapping = mapping(Vec::new());
        mapping.criteria.filters = vec![Filter {
            clauses: vec![Clause::Attribute(clause.unwrap())],
        }];
        vec![mapping]
    }

    fn of_department(department: &str) -> Account {
        let mut values = [const { None }; Field::COUNT];
        values[Field::Department as usize] = Some(department.to_owned());
        Account {
            id: AccountId(Uuid::nil()),
            kind: Kind::Account,
            version: 1,
            role: Role::User,
            status: Status::Active,
            deactivated_for: None,
            values,
        }
    }

    #[test]
    fn f4_what_the_register_keeps_tells_who_falls_out() {
        let (before, object) = (vec![mapping(Vec::new())], ObjectId(Uuid::nil()));
        let legal = only(Attribute::Department, "Legal");
        assert_eq!(
            falls_out(object, &of_department("Legal"), None, &before, &legal),
            Truth::No
        );
        assert_eq!(
            falls_out(object, &of_department("Sales"), None, &before, &legal),
            Truth::Yes
        );
    }

    #[test]
    fn f4_what_no_row_keeps_as_it_is_tells_nothing() {
        let object = ObjectId(Uuid::nil());
        let account = of_department("Sales");
        let legal = only(Attribute::Department, "Legal");
        let mut row = Row::default_of(Field::Department).unwrap();
        row.authority = Authority::IfEmpty;
        for before in [vec![], vec![row], vec![Row::default_of(Field::Name).unwrap()]] {
            let asked = if before.is_empty() {
                only(Attribute::ProxyAddresses, "x")
            } else {
                legal.clone()
            };
            assert_eq!(
                falls_out(object, &account, Some(&[]), &[mapping(before)], &asked),
                Truth::Unknown
            );
        }
    }

    #[test]
    fn f4_memberships_tell_who_falls_out_where_they_are_known() {
        let (before, object) = (vec![mapping(Vec::new())], ObjectId(Uuid::nil()));
        let account = of_department("Sales");
        let group = ObjectId(Uuid::from_u128(7));
        let mut after = mapping(Vec::new());
        let clause = MembershipClause {
            group,
            transitive: false,
        };
        after.criteria.filters = vec![Filter {
            clauses: vec![Clause::Membership(clause)],
        }];
        let after = [after];
        let member = [Membership { group, direct: true }];
        for (groups, expected) in [
            (None, Truth::Unknown),
            (Some(&[][..]), Truth::Yes),
            (Some(&member[..]), Truth::No),
        ] {
            assert_eq!(falls_out(object, &account, groups, &before, &after), expected);
        }
    }
}

//! Says how many linked people would fall out of scope, when criteria are saved (F4).

use std::collections::HashMap;

use domain::account::Kind;
use domain::criteria::Truth;
use domain::fallout::falls_out;
use domain::id::{AccountId, ConnectionId, ObjectId};
use domain::mapping::Mapping as Rules;
use domain::membership::{Membership, Reach};
use store::mapping::Mapping;
use store::{Tx, account, group_mirror, link};
use uuid::Uuid;

use crate::fault::Fault;

/// People that are looked at: who saves does not want to wait for a million.
const MOST: u32 = 50_000;
/// People that are loaded at a time.
const BATCH: i64 = 1_000;

/// How many fall out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    looked_at: u32,
    out: u32,
    unknown: u32,
    more: bool,
}

/// What to tell of a connection whose mappings were `before` and are `after`; nothing while nobody is linked, or the
/// criteria are the same.
pub async fn tell(
    tx: &mut Tx,
    connection: (ConnectionId, &str),
    before: &[Mapping],
    after: &[Mapping],
) -> Result<Option<String>, Fault> {
    let changed: Vec<Kind> = Kind::ALL
        .into_iter()
        .filter(|kind| {
            let criteria = |mappings: &[Mapping]| {
                let mappings = of_kind(mappings, *kind).into_iter();
                mappings.map(|mapping| mapping.criteria).collect::<Vec<_>>()
            };
            criteria(before) != criteria(after)
        })
        .collect();
    if changed.is_empty() {
        return Ok(None);
    }
    let (id, name) = connection;
    let asked: Vec<ObjectId> = after
        .iter()
        .flat_map(|mapping| mapping.criteria.groups())
        .collect();
    let reach = reach(tx, id, &asked).await?;
    let mut count = Count::default();
    for kind in changed {
        let rules = (of_kind(before, kind), of_kind(after, kind));
        count_kind(tx, (id, kind), rules, reach.as_ref(), &mut count).await?;
    }
    Ok((count.looked_at > 0).then(|| count.told(name)))
}

fn of_kind(mappings: &[Mapping], kind: Kind) -> Vec<Rules> {
    let mappings = mappings
        .iter()
        .filter(|mapping| mapping.target.kind() == Some(kind));
    mappings.filter_map(Mapping::rules).collect()
}

/// Those who are linked as one kind of record.
async fn count_kind(
    tx: &mut Tx,
    of: (ConnectionId, Kind),
    (before, after): (Vec<Rules>, Vec<Rules>),
    reach: Option<&Reach>,
    count: &mut Count,
) -> Result<(), Fault> {
    let mut last = Uuid::nil();
    loop {
        let linked = link::in_scope(tx.connection(), of, last, BATCH).await?;
        let Some((object, _)) = linked.last() else { break };
        last = object.0;
        if count.looked_at >= MOST {
            count.more = true;
            break;
        }
        let groups = memberships(tx, of.0, reach, &linked).await?;
        let ids: Vec<Uuid> = linked.iter().map(|(_, account)| account.0).collect();
        let accounts = account::load(tx.connection(), &ids).await?;
        for (object, account) in &linked {
            let Some(account) = accounts.iter().find(|loaded| loaded.id == *account) else {
                continue;
            };
            count.looked_at += 1;
            let groups = groups
                .as_ref()
                .map(|groups| groups.get(object).map_or(&[][..], Vec::as_slice));
            match falls_out(*object, account, groups, &before, &after) {
                Truth::Yes => count.out += 1,
                Truth::Unknown => count.unknown += 1,
                Truth::No => (),
            }
        }
    }
    Ok(())
}

/// How far the groups asked for reach, if they are known: a group that was never read says nothing of anybody.
async fn reach(tx: &mut Tx, of: ConnectionId, asked: &[ObjectId]) -> Result<Option<Reach>, Fault> {
    let reach = group_mirror::reach(tx.connection(), of, asked).await?;
    Ok(asked.iter().all(|group| reach.has(*group)).then_some(reach))
}

/// What these people belong to, where that is known.
async fn memberships(
    tx: &mut Tx,
    of: ConnectionId,
    reach: Option<&Reach>,
    linked: &[(ObjectId, AccountId)],
) -> Result<Option<HashMap<ObjectId, Vec<Membership>>>, Fault> {
    let Some(reach) = reach else { return Ok(None) };
    if reach.is_empty() {
        return Ok(Some(HashMap::new()));
    }
    let ids: Vec<Uuid> = linked.iter().map(|(object, _)| object.0).collect();
    let edges = group_mirror::edges_of(tx.connection(), of, &ids).await?;
    let of_members = edges.chunk_by(|one, next| one.member == next.member);
    Ok(Some(
        of_members
            .filter_map(|edges| {
                let member = edges.first()?.member;
                Some((member, reach.memberships(edges.iter().map(|edge| edge.group))))
            })
            .collect(),
    ))
}

impl Count {
    fn told(self, connection: &str) -> String {
        let Self {
            looked_at,
            out,
            unknown,
            more,
        } = self;
        let among = if more { "the first " } else { "" };
        let at_least = if unknown > 0 || more { "at least " } else { "" };
        let rest = match unknown {
            0 => String::new(),
            unknown => format!("; of {unknown} of them the register does not keep what the criteria ask"),
        };
        format!(
            "connection {connection}: {at_least}{out} of {among}{looked_at} linked people would fall out of scope{rest}; \
             a preview shows who enters and who leaves"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f4_it_says_what_it_does_not_know() {
        let count = Count {
            looked_at: 3,
            out: 2,
            ..Count::default()
        };
        assert_eq!(
            count.told("contoso"),
            "connection contoso: 2 of 3 linked people would fall out of scope; a preview shows who enters and who leaves"
        );
        let unsure = Count {
            unknown: 1,
            more: true,
            ..count
        };
        assert_eq!(
            unsure.told("contoso"),
            "connection contoso: at least 2 of the first 3 linked people would fall out of scope; of 1 of them the \
             register does not keep what the criteria ask; a preview shows who enters and who leaves"
        );
    }
}

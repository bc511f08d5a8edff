//! The mirror of a directory's groups: whole readings compared, changes merged, and who is touched by them.

use std::collections::BTreeSet;

use domain::id::{ConnectionId, ObjectId, RunId};
use domain::membership::Membership;
use domain::observed::{Mention, Presence};
use domain::observed_group::{GroupKind, MemberChange, MemberKind, ObservedGroup};
use futures::TryStreamExt;
use rollcall_store::group_staging::{Merge, Merged, Staging};
use rollcall_store::run_fetch::Hold;
use rollcall_store::{group_mirror, organization};
use uuid::Uuid;

use crate::world::{World, november};

const CONNECTION: ConnectionId = ConnectionId(Uuid::from_u128(6));
/// Users are below 100.
const ALL: u128 = 100;
const STAFF: u128 = 101;
const NIGHT: u128 = 102;

fn id(number: u128) -> ObjectId {
    ObjectId(Uuid::from_u128(number))
}

fn hold() -> Hold {
    Hold {
        run: RunId(Uuid::from_u128(7)),
        attempt: 1,
        holder: "one".to_owned(),
    }
}

/// A run that is being fetched.
async fn fetching() -> World {
    let world = World::new().await;
    let (organization, connection, run) = (organization::DEFAULT.0, CONNECTION.0, hold().run.0);
    world
        .sql(&format!(
            "INSERT INTO connection (id, organization_id, name, tenant_id, cloud, leaver_disabled, leaver_soft_deleted,
                 leaver_gone, leaver_out_of_scope, brake_percent, brake_count, brake_from, first_run, created_at, updated_at)
             VALUES ('{connection}', '{organization}', 'contoso', '{connection}', 'global', 'deactivate', 'deactivate',
                 'review', 'review', 10, 50, 20, 'apply', '2026-11-01', '2026-11-01');
             INSERT INTO run (id, organization_id, connection_id, kind, trigger, requested_by, apply_first, created_at)
             VALUES ('{run}', '{organization}', '{connection}', 'full', 'manual', 'ann', false, '2026-11-01');
             INSERT INTO run_fetch (run_id, attempt, state, delta, holder, lease_until, started_at, progress_at)
             VALUES ('{run}', 1, 'fetching', false, 'one', '2026-11-01', '2026-11-01', '2026-11-01')"
        ))
        .await;
    world
}

fn member(number: u128) -> MemberChange {
    MemberChange {
        id: id(number),
        kind: if number < ALL {
            MemberKind::User
        } else {
            MemberKind::Group
        },
        removed: false,
    }
}

fn group(number: u128, members: &[u128]) -> ObservedGroup<'static> {
    ObservedGroup {
        name: Mention::Value(format!("group {number}").into()),
        kind: Some(GroupKind::Security),
        dynamic: Some(false),
        members: members.iter().copied().map(member).collect(),
        ..ObservedGroup::new(id(number))
    }
}

/// A delta's row that tells of members only.
fn members(number: u128, added: &[u128], removed: &[u128]) -> ObservedGroup<'static> {
    let removed = removed.iter().map(|number| MemberChange {
        removed: true,
        ..member(*number)
    });
    ObservedGroup {
        members: added.iter().copied().map(member).chain(removed).collect(),
        ..ObservedGroup::new(id(number))
    }
}

fn ended(number: u128, presence: Presence) -> ObservedGroup<'static> {
    ObservedGroup {
        presence,
        ..ObservedGroup::new(id(number))
    }
}

async fn merge(world: &World, rows: &[ObservedGroup<'_>], whole: bool, hold: &Hold) -> Option<Merged> {
    let mut staging = Staging::open(&world.store).await.unwrap();
    for row in rows {
        let mut batch = staging.batch();
        batch.push(row);
        staging.send(batch).await.unwrap();
    }
    let asked = [id(ALL), id(NIGHT)];
    let merge = Merge {
        of: CONNECTION,
        whole,
        asked: &asked,
        hold,
        now: november(2),
        most_touched: 3,
    };
    staging.merge(merge).await.unwrap()
}

async fn whole(world: &World, rows: &[ObservedGroup<'_>]) -> Merged {
    merge(world, rows, true, &hold()).await.unwrap()
}

/// Who a delta touches, in order.
async fn delta(world: &World, rows: &[ObservedGroup<'_>]) -> Vec<u128> {
    let merged = merge(world, rows, false, &hold()).await.unwrap();
    let touched: BTreeSet<u128> = merged.touched.iter().map(|id| id.0.as_u128()).collect();
    assert_eq!(touched.len(), merged.touched.len(), "nobody is named twice");
    touched.into_iter().collect()
}

async fn edges(world: &World) -> String {
    world
        .sql(
            "SELECT string_agg(right(group_id::text, 2) || '>' || right(member_id::text, 2), ' '
                 ORDER BY group_id, member_id)
             FROM group_edge",
        )
        .await
}

/// 100 holds 101 and user 1; 101 holds users 2 and 3 and 100 again; 102 stands alone with user 4.
fn tenant() -> [ObservedGroup<'static>; 3] {
    [
        group(ALL, &[1, STAFF]),
        group(STAFF, &[2, 3, ALL]),
        group(NIGHT, &[4]),
    ]
}

#[tokio::test]
async fn i7_a_whole_reading_is_compared_and_an_unchanged_one_writes_nothing() {
    let world = fetching().await;
    let first = whole(&world, &tenant()).await;
    assert_eq!((first.version, first.groups), (1, 3));
    assert_eq!(edges(&world).await, "64>01 64>65 65>02 65>03 65>64 66>04");
    let rows = "SELECT (SELECT string_agg(g::text || g.xmin || g.ctid, ',' ORDER BY object_id) FROM directory_group g),
        (SELECT string_agg(e.xmin || e.ctid::text, ',' ORDER BY group_id, member_id) FROM group_edge e),
        (SELECT string_agg(m::text || m.xmin || m.ctid, ',') FROM group_mirror m)";
    let before = world.sql(rows).await;

    // A large group comes in parts, the later ones without what the first said of it; repeats do no harm.
    let split = [
        group(ALL, &[STAFF]),
        group(STAFF, &[3, 2, ALL]),
        members(ALL, &[1, STAFF], &[]),
        group(NIGHT, &[4]),
    ];
    let again = whole(&world, &split).await;
    assert_eq!(again.version, 1);
    assert_eq!(again.reach, first.reach);
    assert_eq!(world.sql(rows).await, before, "no row is written");

    let changed = whole(&world, &[group(ALL, &[1, 9]), group(NIGHT, &[])]).await;
    assert_eq!(changed.version, 2);
    assert_eq!(edges(&world).await, "64>01 64>09");
    assert_eq!(
        world
            .sql("SELECT string_agg(name, ', ' ORDER BY name) FROM directory_group")
            .await,
        "group 100, group 102"
    );
}

#[tokio::test]
async fn b10_who_belongs_to_what_is_asked_for_is_read_back() {
    let world = fetching().await;
    let merged = whole(&world, &tenant()).await;
    let mut connection = world.store.connection().await.unwrap();
    let reach = group_mirror::reach(&mut connection, CONNECTION, &[id(ALL), id(NIGHT), id(999)])
        .await
        .unwrap();
    assert_eq!(reach, merged.reach);
    let belongs = |group, direct| Membership {
        group: id(group),
        direct,
    };
    let of = |edges: &[group_mirror::Edge]| reach.memberships(edges.iter().map(|edge| edge.group));
    let all: Vec<group_mirror::Edge> = group_mirror::all_in(&mut connection, CONNECTION, &reach)
        .try_collect()
        .await
        .unwrap();
    let told: Vec<_> = all
        .chunk_by(|one, next| one.member == next.member)
        .map(|edges| (edges[0].member, of(edges)))
        .collect();
    assert_eq!(
        told,
        [
            (id(1), vec![belongs(ALL, true)]),
            (id(2), vec![belongs(ALL, false)]),
            (id(3), vec![belongs(ALL, false)]),
            (id(4), vec![belongs(NIGHT, true)]),
        ]
    );
    let some = group_mirror::edges_of(&mut connection, CONNECTION, &[id(3).0, id(8).0])
        .await
        .unwrap();
    assert_eq!(of(&some), [belongs(ALL, false)]);
}

#[tokio::test]
async fn b10_a_delta_names_whom_it_touches() {
    let world = fetching().await;
    whole(&world, &tenant()).await;
    assert_eq!(delta(&world, &[members(STAFF, &[5], &[2])]).await, [2, 5]);
    // Told once more, it changes nothing.
    assert_eq!(delta(&world, &[members(STAFF, &[5], &[2])]).await, []);
    // Of the same member the last row counts.
    let replayed = [members(NIGHT, &[7], &[]), members(NIGHT, &[], &[7])];
    assert_eq!(delta(&world, &replayed).await, []);
    // A group that nobody asks for touches nobody, until it is nested.
    assert_eq!(delta(&world, &[group(103, &[8])]).await, []);
    assert_eq!(delta(&world, &[members(STAFF, &[103], &[])]).await, [8]);
    // Deleted groups have no members, and restored ones have them back. User 1 is in 100 itself, which stays.
    assert_eq!(
        delta(&world, &[ended(STAFF, Presence::SoftDeleted)]).await,
        [3, 5, 8]
    );
    let restored = ObservedGroup {
        members: Vec::new(),
        ..group(STAFF, &[])
    };
    assert_eq!(delta(&world, &[restored]).await, [3, 5, 8]);
    assert_eq!(delta(&world, &[ended(103, Presence::Gone)]).await, [8]);
    assert_eq!(edges(&world).await, "64>01 64>65 65>03 65>05 65>64 66>04");
    // One more than is worth it says that there are too many.
    assert_eq!(delta(&world, &[ended(ALL, Presence::Gone)]).await, [1, 3, 5]);
    assert_eq!(edges(&world).await, "65>03 65>05 66>04");
}

#[tokio::test]
async fn i7_what_a_delta_does_not_mention_stays() {
    let world = fetching().await;
    let mut named = group(ALL, &[1]);
    named.description = Mention::Value("everyone".into());
    named.mail = Mention::Value("all@contoso.com".into());
    whole(&world, &[named]).await;
    let told = "SELECT concat_ws('|', name, description, mail, kind, dynamic, deleted) FROM directory_group";
    let renamed = ObservedGroup {
        name: Mention::Value("All".into()),
        mail: Mention::Cleared,
        ..ObservedGroup::new(id(ALL))
    };
    let merged = merge(&world, &[renamed], false, &hold()).await.unwrap();
    assert_eq!((merged.version, merged.touched.len()), (2, 0));
    assert_eq!(world.sql(told).await, "All|everyone|2|f|f");
    let whole = whole(&world, &[group(ALL, &[1])]).await;
    assert_eq!(whole.version, 3, "in a whole reading silence means empty");
    assert_eq!(world.sql(told).await, "group 100|2|f|f");
}

#[tokio::test]
async fn whoever_has_lost_the_run_merges_nothing() {
    let world = fetching().await;
    let other = Hold {
        holder: "another".to_owned(),
        ..hold()
    };
    assert_eq!(merge(&world, &tenant(), true, &other).await, None);
    assert_eq!(world.sql("SELECT count(*) FROM group_mirror").await, "0");
    assert_eq!(edges(&world).await, "");
    let mut connection = world.store.connection().await.unwrap();
    assert_eq!(
        group_mirror::version(&mut connection, CONNECTION).await.unwrap(),
        None
    );
}

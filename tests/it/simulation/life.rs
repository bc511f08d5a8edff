//! A life: what happens to one organization and its directory, step by step. Every step can be done at any time, and says
//! nothing that depends on those before it, so that any of them can be left out: that is how a failure is made smaller.

use domain::brake::Brake;
use proptest::prelude::*;
use serde_json::{Value, json};

/// A life. Its `Debug` form is the Rust text of itself, to be pasted into a test.
#[derive(Clone, Debug)]
pub struct Life {
    /// People at the beginning follow from it.
    pub seed: u64,
    /// How many they are.
    pub people: u32,
    /// What happens.
    pub steps: Vec<Step>,
}

/// A person: a place in the list of all there ever were, counted around.
pub type Person = u8;
/// A group, likewise.
pub type Group = u8;

/// One thing that happens. Where it can't, because the person has left, say, nothing does.
#[derive(Clone, Debug)]
pub enum Step {
    /// Somebody new comes, into this department.
    Join(u8),
    /// Into the deleted items.
    Leave(Person),
    /// Back from the deleted items.
    Restore(Person),
    /// Out of the deleted items.
    Purge(Person),
    /// Gone at once.
    Vanish(Person),
    /// Deleted, and made anew under the same name.
    Recreate(Person),
    /// Made anew under the same name after they have left.
    Rehire(Person),
    /// A new user principal name.
    Rename(Person),
    /// A new mail address.
    NewMail(Person),
    /// Two take each other's name.
    Swap(Person, Person),
    /// The first takes a new name, the second the first one's, the third the second one's.
    Chain(Person, Person, Person),
    /// May no longer sign in.
    Disable(Person),
    /// May sign in again.
    Enable(Person),
    /// Another department.
    Department(Person, u8),
    /// Another title, or none.
    Title(Person, u8),
    /// The first reports to the second.
    Manager(Person, Person),
    /// Reports to nobody.
    NoManager(Person),
    /// Into a group.
    Enter(Group, Person),
    /// Out of it.
    Exit(Group, Person),
    /// The second group comes into the first.
    Nest(Group, Group),
    /// And out again.
    Unnest(Group, Group),
    /// The mapping takes others in.
    Criteria(u8),
    /// Disabled people who match nobody come in, or don't.
    IncludeDisabled(bool),
    /// Other policies for leavers.
    Policies(u8),
    /// Another brake.
    Brake(u8),
    /// An account like this person's is imported from a file; the number says in what it is alike.
    Csv(Person, u8),
    /// A file gives this person's account another role.
    Promote(Person, u8),
    /// The link of a person is cut by hand.
    Cut(Person),
    /// The first one's object gets the account that the second one's had.
    Move(Person, Person),
    /// Nobody may touch this person.
    NeverTouch(Person),
    /// The latest entry of the never-touch list goes.
    MayTouch,
    /// The n-th open review is approved, its removal deactivating, deleting, or as proposed.
    Approve(u8, u8),
    /// The n-th open review is rejected.
    Reject(u8),
    /// The n-th open review's record is to be kept.
    Keep(u8),
    /// The n-th deleted account is removed for good.
    Forget(u8),
    /// The n-th failed record is ignored.
    Ignore(u8),
    /// Somebody is imported by hand.
    Import(Person),
    /// Time passes.
    Hours(u16),
    /// A run, and what goes wrong meanwhile.
    Run(Kind, Vec<Trouble>),
    /// The latest preview is applied.
    Apply,
    /// The n-th latest run that was applied is taken back.
    Revert(u8),
    /// What it did to this person is.
    RevertOne(u8, Person),
}

/// What a run reads and does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Everything.
    Full,
    /// What has changed.
    Delta,
    /// Everything, and nothing is applied.
    Preview,
    /// Everything, and leavers alone are dealt with.
    Deprovision,
}

/// What goes wrong during a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The fetcher dies after so many tens of milliseconds, and comes back.
    FetcherDies(u8),
    /// The reconciler, likewise.
    ReconcilerDies(u8),
    /// The notifier.
    NotifierDies(u8),
    /// The api.
    ApiDies(u8),
    /// The broker.
    NatsDies(u8),
    /// The database.
    PostgresDies(u8),
    /// Somebody ends the run after so many tens of milliseconds.
    Cancel(u8),
    /// Graph does something to requests.
    Graph(Fault),
}

/// What Graph does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 429, twice.
    Throttles,
    /// 503, twice.
    IsAway,
    /// 403 for users, until the run has ended.
    Refuses,
    /// The list of users is cut in half.
    TellsHalf,
    /// The list of users has nobody in it.
    TellsNobody,
    /// The delta link has expired: 410, or 400.
    Resync(bool),
    /// A page of a delta has expired.
    ExpiredPage,
    /// Rows of a delta come twice.
    Repeats,
    /// Rows come in the opposite order.
    Reverses,
    /// Earlier changes are told again.
    Replays,
    /// Managers come in rows of their own.
    ManagersApart,
    /// A page without rows comes between.
    EmptyPage,
    /// The body ends in the middle.
    CutsBody,
    /// The body is no JSON.
    Malformed,
    /// A page takes a third of a second.
    IsSlow,
}

/// Departments that there are.
pub const DEPARTMENTS: [&str; 3] = ["Legal", "Sales", "Support"];
/// How many groups there are.
pub const GROUPS: usize = 4;

/// What a connection's policies can be.
pub const POLICIES: [&str; 7] = [
    "",
    "deletionMode: automatic",
    "deletionMode: manual",
    "leavers: { disabled: nothing, softDeleted: nothing, gone: deactivate, outOfScope: nothing }",
    "leavers: { disabled: review, softDeleted: delete, gone: deactivate, outOfScope: deactivate }",
    "leavers: { disabled: delete, softDeleted: review, gone: delete, outOfScope: delete }",
    "leavers: { disabled: deactivate, softDeleted: delete, gone: deactivate, outOfScope: deactivate, returning: nothing }",
];

/// What its brake can be.
pub const BRAKES: [Brake; 3] = [
    Brake {
        percent: 10,
        count: 50,
        from: 20,
    },
    Brake {
        percent: 60,
        count: 50,
        from: 5,
    },
    Brake {
        percent: 5,
        count: 2,
        from: 2,
    },
];

/// Whom a mapping can take in: filters of clauses, as a document has them. `{0}` is a group.
pub fn criteria(which: u8, groups: &[String]) -> Value {
    let is = |value: &str| json!({ "attribute": "department", "operator": "equals", "value": value });
    let not_sales = json!({ "attribute": "department", "operator": "notEquals", "value": "Sales" });
    let enabled = json!({ "attribute": "accountEnabled", "operator": "isTrue" });
    let member = |group: usize| json!({ "operator": "memberOf", "value": groups[group] });
    let below = |group: usize| json!({ "operator": "transitiveMemberOf", "value": groups[group] });
    match which % 7 {
        0 | 6 => json!([]),
        1 => json!([[is("Legal")], [is("Sales")]]),
        2 => json!([[member(0)], [is("Support")]]),
        3 => json!([[below(1)], [is("Legal")]]),
        4 => json!([[not_sales, below(0)], [is("Sales")]]),
        _ => json!([[not_sales, enabled]]),
    }
}

/// Any life.
pub fn life() -> impl Strategy<Value = Life> {
    let people = 30_u32..=70;
    let steps = prop::collection::vec(step(), 12..45);
    (any::<u64>(), people, steps).prop_map(|(seed, people, steps)| Life { seed, people, steps })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        24 => in_directory(),
        6 => in_groups(),
        10 => by_people(),
        3 => (1_u16..200).prop_map(Step::Hours),
        12 => run(),
        2 => Just(Step::Apply),
        3 => revert(),
    ]
}

fn in_directory() -> impl Strategy<Value = Step> {
    let one = any::<u8>;
    prop_oneof![
        3 => one().prop_map(Step::Join),
        3 => one().prop_map(Step::Leave),
        3 => one().prop_map(Step::Restore),
        1 => one().prop_map(Step::Purge),
        2 => one().prop_map(Step::Vanish),
        2 => one().prop_map(Step::Recreate),
        3 => one().prop_map(Step::Rehire),
        2 => one().prop_map(Step::Rename),
        1 => one().prop_map(Step::NewMail),
        2 => (one(), one()).prop_map(|(a, b)| Step::Swap(a, b)),
        2 => (one(), one(), one()).prop_map(|(a, b, c)| Step::Chain(a, b, c)),
        3 => one().prop_map(Step::Disable),
        2 => one().prop_map(Step::Enable),
        4 => (one(), 0_u8..3).prop_map(|(a, b)| Step::Department(a, b)),
        1 => (one(), one()).prop_map(|(a, b)| Step::Title(a, b)),
        3 => (one(), one()).prop_map(|(a, b)| Step::Manager(a, b)),
        1 => one().prop_map(Step::NoManager),
    ]
}

fn in_groups() -> impl Strategy<Value = Step> {
    let (one, group) = (any::<u8>, || 0..u8::try_from(GROUPS).expect("a few"));
    prop_oneof![
        5 => (group(), one()).prop_map(|(a, b)| Step::Enter(a, b)),
        2 => (group(), one()).prop_map(|(a, b)| Step::Exit(a, b)),
        2 => (group(), group()).prop_map(|(a, b)| Step::Nest(a, b)),
        1 => (group(), group()).prop_map(|(a, b)| Step::Unnest(a, b)),
    ]
}

fn by_people() -> impl Strategy<Value = Step> {
    let one = any::<u8>;
    prop_oneof![
        3 => (0_u8..7).prop_map(Step::Criteria),
        1 => any::<bool>().prop_map(Step::IncludeDisabled),
        3 => (0_u8..7).prop_map(Step::Policies),
        2 => (0_u8..3).prop_map(Step::Brake),
        4 => (one(), 0_u8..4).prop_map(|(a, b)| Step::Csv(a, b)),
        2 => (one(), 0_u8..4).prop_map(|(a, b)| Step::Promote(a, b)),
        2 => one().prop_map(Step::Cut),
        2 => (one(), one()).prop_map(|(a, b)| Step::Move(a, b)),
        1 => one().prop_map(Step::NeverTouch),
        1 => Just(Step::MayTouch),
        4 => (one(), 0_u8..3).prop_map(|(a, b)| Step::Approve(a, b)),
        2 => one().prop_map(Step::Reject),
        1 => one().prop_map(Step::Keep),
        1 => one().prop_map(Step::Forget),
        1 => one().prop_map(Step::Ignore),
        2 => one().prop_map(Step::Import),
    ]
}

fn run() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![
        5 => Just(Kind::Full),
        6 => Just(Kind::Delta),
        2 => Just(Kind::Preview),
        1 => Just(Kind::Deprovision),
    ];
    let troubles = prop_oneof![
        4 => Just(Vec::new()),
        3 => prop::collection::vec(trouble(), 1..=1),
        1 => prop::collection::vec(trouble(), 2..=3),
    ];
    (kind, troubles).prop_map(|(kind, troubles)| Step::Run(kind, troubles))
}

fn revert() -> impl Strategy<Value = Step> {
    let which = || prop_oneof![3 => Just(0_u8), 2 => Just(1), 1 => 2_u8..4];
    prop_oneof![
        2 => which().prop_map(Step::Revert),
        1 => (which(), any::<u8>()).prop_map(|(which, who)| Step::RevertOne(which, who)),
    ]
}

fn trouble() -> impl Strategy<Value = Trouble> {
    let soon = || 0_u8..40;
    prop_oneof![
        3 => soon().prop_map(Trouble::FetcherDies),
        4 => soon().prop_map(Trouble::ReconcilerDies),
        2 => soon().prop_map(Trouble::NotifierDies),
        1 => soon().prop_map(Trouble::ApiDies),
        1 => soon().prop_map(Trouble::NatsDies),
        1 => soon().prop_map(Trouble::PostgresDies),
        2 => soon().prop_map(Trouble::Cancel),
        10 => fault().prop_map(Trouble::Graph),
    ]
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::Throttles),
        Just(Fault::IsAway),
        Just(Fault::Refuses),
        Just(Fault::TellsHalf),
        Just(Fault::TellsNobody),
        any::<bool>().prop_map(Fault::Resync),
        Just(Fault::ExpiredPage),
        Just(Fault::Repeats),
        Just(Fault::Reverses),
        Just(Fault::Replays),
        Just(Fault::ManagersApart),
        Just(Fault::EmptyPage),
        Just(Fault::CutsBody),
        Just(Fault::Malformed),
        Just(Fault::IsSlow),
    ]
}

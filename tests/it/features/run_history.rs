//! The list of runs by what they did, whom they touched, when, and how they ended (R7).

use chrono::{DateTime, Utc};
use contracts::v1::{ListRunsRequest, ListRunsResponse, RevertRunRequest, Run, RunKind, RunState};
use entra_sim::{Effect, Fault};
use harness::documents::CONNECTION;
use harness::people::hire;
use harness::runs::counts;
use harness::site::Site;
use harness::world::World;
use prost_types::Timestamp;
use serde_json::json;
use tonic::{Code, Status};

/// A world in which a run of every kind has been, each with a name.
struct History {
    world: World,
    runs: Vec<(&'static str, String)>,
    ann: String,
    desk: String,
}

/// The runs of a [`History`], the latest first.
const ALL: [&str; 8] = [
    "failed",
    "revert",
    "deprovision",
    "manual",
    "plan",
    "quiet",
    "delta",
    "first",
];

impl History {
    /// The first run is ten days old, the others are of today.
    async fn start() -> Self {
        let world = World::start().await;
        let mut runs = Vec::new();
        world.import("name,login,domain\nThe Desk,desk,\n").await;
        let ann = hire(&world.tenant, "ann", json!({}));
        hire(&world.tenant, "bob", json!({}));
        let desk = hire(&world.tenant, "desk", json!({}));
        hire(
            &world.tenant,
            "twin",
            json!({"userPrincipalName": "desk@fabrikam.example"}),
        );
        let first = world.full().await;
        assert_eq!(
            (counts(&first).added, counts(&first).failed),
            (2, 2),
            "{first:#?}"
        );
        runs.push(("first", first.id.clone()));

        world.tenant.update(&ann, "city", json!("Oslo")).unwrap();
        let delta = world
            .cli_json(&["run", "start", CONNECTION, "--kind", "delta", "--wait"])
            .await;
        runs.push(("delta", delta["id"].as_str().unwrap().to_owned()));
        let quiet = world.delta().await;
        assert_eq!(counts(&quiet).seen, 0, "{quiet:#?}");
        runs.push(("quiet", quiet.id));

        let bob = world.account("bob").await.object_id;
        world.tenant.update(&bob, "city", json!("Bergen")).unwrap();
        runs.push(("plan", world.preview().await.id));
        let manual = world
            .cli_json(&["import", "users", CONNECTION, "bob@contoso.com"])
            .await;
        let manual = manual["run"]["id"].as_str().unwrap().to_owned();
        world.ended(&manual).await;
        runs.push(("manual", manual));
        runs.push(("deprovision", world.run(RunKind::Deprovision).await.id));
        let delta = runs[1].1.clone();
        let back = world
            .try_revert(RevertRunRequest {
                run_id: delta,
                ..RevertRunRequest::default()
            })
            .await
            .unwrap();
        let back = world.ended(&back.id).await;
        assert_eq!(counts(&back).updated, 1, "{back:#?}");
        runs.push(("revert", back.id));

        let no_secret = Effect::Aadsts { code: 7_000_215 };
        world.tenant.fault(Fault::on("*/oauth2/v2.0/token", no_secret));
        world.tenant.revoke_tokens();
        let failed = world.run_to_end(RunKind::Full).await;
        assert_eq!(failed.state(), RunState::Failed, "{failed:#?}");
        runs.push(("failed", failed.id));

        Site::shared()
            .await
            .sql(&format!(
                "UPDATE run SET created_at = created_at - interval '10 days' WHERE id = '{}'",
                first.id
            ))
            .await;
        Self {
            world,
            runs,
            ann,
            desk,
        }
    }

    fn id(&self, name: &str) -> &str {
        let (_, id) = self.runs.iter().find(|(known, _)| *known == name).unwrap();
        id
    }

    fn name(&self, id: &str) -> &'static str {
        let (name, _) = self
            .runs
            .iter()
            .find(|(_, known)| known == id)
            .expect("one of ours");
        name
    }

    fn names(&self, runs: &[Run]) -> Vec<&'static str> {
        runs.iter().map(|run| self.name(&run.id)).collect()
    }

    async fn created(&self, name: &str) -> Timestamp {
        self.world.get_run(self.id(name)).await.create_time.unwrap()
    }

    /// Asks both ways, which must find the same.
    async fn check(&self, asked: ListRunsRequest, options: &[&str], expected: &[&str]) {
        let found = list(&self.world, asked).await.unwrap();
        assert_eq!(self.names(&found.runs), expected, "gRPC, {options:?}");
        let args: Vec<&str> = ["run", "list"].iter().chain(options).copied().collect();
        let found = self.world.cli_json(&args).await;
        let found: Vec<&str> = found["runs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|run| self.name(run["id"].as_str().unwrap()))
            .collect();
        assert_eq!(found, expected, "{options:?}");
    }
}

pub async fn list(world: &World, request: ListRunsRequest) -> Result<ListRunsResponse, Status> {
    let answer = world.runs().list_runs(world.call(request)).await?;
    Ok(answer.into_inner())
}

fn of_kinds(kinds: &[RunKind]) -> ListRunsRequest {
    ListRunsRequest {
        kinds: kinds.iter().map(|kind| (*kind).into()).collect(),
        ..ListRunsRequest::default()
    }
}

fn in_states(states: &[RunState]) -> ListRunsRequest {
    ListRunsRequest {
        states: states.iter().map(|state| (*state).into()).collect(),
        ..ListRunsRequest::default()
    }
}

fn of_person(person: &str) -> ListRunsRequest {
    ListRunsRequest {
        person: person.to_owned(),
        ..ListRunsRequest::default()
    }
}

pub fn by(trigger: &str) -> ListRunsRequest {
    ListRunsRequest {
        trigger: trigger.to_owned(),
        ..ListRunsRequest::default()
    }
}

/// As a person writes it.
fn written(time: Timestamp) -> String {
    DateTime::<Utc>::from_timestamp(time.seconds, u32::try_from(time.nanos).unwrap())
        .unwrap()
        .to_rfc3339()
}

#[tokio::test]
async fn r7_runs_are_found_by_kind_state_trigger_and_time() {
    let history = History::start().await;
    let nothing = ListRunsRequest::default();
    history.check(nothing.clone(), &[], &ALL).await;

    for (kind, word, expected) in [
        (RunKind::Full, "full", &["failed", "first"][..]),
        (RunKind::Delta, "delta", &["quiet", "delta"]),
        (RunKind::Preview, "preview", &["plan"]),
        (RunKind::Manual, "manual", &["manual"]),
        (RunKind::Deprovision, "deprovision", &["deprovision"]),
        (RunKind::Revert, "revert", &["revert"]),
    ] {
        history
            .check(of_kinds(&[kind]), &["--kind", word], expected)
            .await;
    }
    history
        .check(
            of_kinds(&[RunKind::Revert, RunKind::Manual]),
            &["--kind", "manual", "--kind", "revert"],
            &["revert", "manual"],
        )
        .await;

    for (states, options, expected) in [
        (
            &[RunState::Planned][..],
            &["--state", "planned"][..],
            &["plan"][..],
        ),
        (&[RunState::Failed], &["--state", "failed"], &["failed"]),
        (
            &[RunState::Failed, RunState::Planned],
            &["--state", "failed", "--state", "planned"],
            &["failed", "plan"],
        ),
        (&[RunState::Fetching], &["--state", "fetching"], &[]),
        (&[RunState::Cancelled], &["--state", "cancelled"], &[]),
    ] {
        history.check(in_states(states), options, expected).await;
    }

    history
        .check(by("cli"), &["--trigger", "cli"], &["manual", "delta"])
        .await;
    history.check(by("cl"), &["--trigger", "cl"], &[]).await;

    // From the time of a run on it is in, up to it it is not.
    let (from, to) = (history.created("quiet").await, history.created("manual").await);
    let (written_from, written_to) = (written(from), written(to));
    let asked = ListRunsRequest {
        from: Some(from),
        to: Some(to),
        ..nothing.clone()
    };
    history
        .check(
            asked,
            &["--from", &written_from, "--to", &written_to],
            &["plan", "quiet"],
        )
        .await;
    let asked = ListRunsRequest {
        since_seconds: 7 * 86_400,
        ..nothing.clone()
    };
    history.check(asked, &["--since", "7d"], &ALL[..7]).await;
    let asked = ListRunsRequest {
        to: Some(history.created("delta").await),
        since_seconds: 14 * 86_400,
        ..nothing
    };
    let delta = written(history.created("delta").await);
    history
        .check(asked, &["--since", "2w", "--to", &delta], &["first"])
        .await;
}

#[tokio::test]
async fn r7_runs_are_found_by_what_came_of_them_and_by_the_person() {
    let history = History::start().await;
    let nothing = ListRunsRequest::default();
    let asked = ListRunsRequest {
        with_failures: true,
        ..nothing.clone()
    };
    history
        .check(asked, &["--with-failures"], &["failed", "plan", "first"])
        .await;
    let asked = ListRunsRequest {
        with_changes: true,
        ..nothing.clone()
    };
    history
        .check(
            asked,
            &["--with-changes"],
            &["revert", "manual", "plan", "delta", "first"],
        )
        .await;

    let account = history.world.account("ann").await.id;
    for ann in ["ann@contoso.com", "ANN@Contoso.com", &history.ann, &account] {
        history
            .check(of_person(ann), &["--person", ann], &["revert", "delta", "first"])
            .await;
    }
    let bob = "bob@contoso.com";
    history
        .check(of_person(bob), &["--person", bob], &["manual", "plan", "first"])
        .await;
    // Who has no account is known by the run in which they failed last.
    let found = list(&history.world, of_person(&history.desk)).await.unwrap();
    assert_eq!(found.runs.len(), 1, "{found:#?}");
    let by_name = list(&history.world, of_person("desk@contoso.com")).await.unwrap();
    assert_eq!(history.names(&by_name.runs), history.names(&found.runs));
    let stranger = "nobody@contoso.com";
    history
        .check(of_person(stranger), &["--person", stranger], &[])
        .await;
    let said = history
        .world
        .cli_run(&["run", "list", "--person", stranger])
        .await;
    assert_eq!(said.stdout, "No run is like that.\n");

    // All of it at once.
    let asked = ListRunsRequest {
        connection: CONNECTION.to_owned(),
        kinds: vec![RunKind::Delta.into(), RunKind::Manual.into()],
        states: vec![RunState::Finished.into()],
        trigger: "cli".to_owned(),
        since_seconds: 86_400,
        with_changes: true,
        person: history.ann.clone(),
        ..nothing.clone()
    };
    let options = [
        "--connection",
        CONNECTION,
        "--kind",
        "delta",
        "--kind",
        "manual",
        "--state",
        "finished",
        "--trigger",
        "cli",
        "--since",
        "1d",
        "--with-changes",
        "--person",
        &history.ann,
    ];
    history.check(asked, &options, &["delta"]).await;

    // Nobody else sees any of it.
    let other = World::start().await;
    for asked in [nothing, of_person(&history.ann), of_person(&account)] {
        assert!(list(&other, asked).await.unwrap().runs.is_empty());
    }
}

#[tokio::test]
async fn r7_a_filtered_list_goes_by_pages() {
    let history = History::start().await;
    let asked = ListRunsRequest {
        with_changes: true,
        page_size: 2,
        ..ListRunsRequest::default()
    };
    let mut pages = Vec::new();
    let mut page_token = String::new();
    loop {
        let page = list(
            &history.world,
            ListRunsRequest {
                page_token,
                ..asked.clone()
            },
        )
        .await
        .unwrap();
        pages.push(history.names(&page.runs));
        page_token = page.next_page_token.clone();
        if page_token.is_empty() {
            break;
        }
        // It is of this list and no other.
        for other in [
            ListRunsRequest {
                with_changes: false,
                ..asked.clone()
            },
            ListRunsRequest {
                trigger: "api".to_owned(),
                ..asked.clone()
            },
            ListRunsRequest {
                person: "ann@contoso.com".to_owned(),
                ..asked.clone()
            },
        ] {
            let request = ListRunsRequest {
                page_token: page_token.clone(),
                ..other
            };
            let refused = list(&history.world, request).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument);
            assert!(refused.message().contains("pageToken"), "{refused:?}");
        }
    }
    assert_eq!(pages, [&["revert", "manual"][..], &["plan", "delta"], &["first"]]);
    let limited = history
        .world
        .cli_run(&["run", "list", "--with-changes", "--limit", "2"])
        .await;
    assert_eq!(limited.code, 0, "{limited:?}");
    let shown = |name| limited.stdout.contains(history.id(name));
    assert!(
        shown("revert") && shown("manual") && !shown("plan") && !shown("deprovision"),
        "{limited:?}"
    );
}

#[tokio::test]
async fn r7_a_filter_that_makes_no_sense_is_refused_by_its_name() {
    let world = World::start().await;
    let nothing = ListRunsRequest::default();
    let at = |seconds, nanos| Some(Timestamp { seconds, nanos });
    let cases = [
        (
            ListRunsRequest {
                kinds: vec![RunKind::Full.into(), 99],
                ..nothing.clone()
            },
            "kinds 99 is none that this version knows",
        ),
        (
            ListRunsRequest {
                kinds: vec![0],
                ..nothing.clone()
            },
            "kinds 0 is none that this version knows",
        ),
        (
            ListRunsRequest {
                states: vec![-1],
                ..nothing.clone()
            },
            "states -1 is none that this version knows",
        ),
        (
            ListRunsRequest {
                from: at(1_790_000_000, 0),
                since_seconds: 60,
                ..nothing.clone()
            },
            "sinceSeconds can't go with from; leave one of them out",
        ),
        (
            ListRunsRequest {
                from: at(1_790_000_000, 0),
                to: at(1_790_000_000, 0),
                ..nothing.clone()
            },
            "to is not after the time that the list begins with",
        ),
        (
            ListRunsRequest {
                from: at(i64::MAX, 0),
                ..nothing.clone()
            },
            "from is no time",
        ),
        (
            ListRunsRequest {
                to: at(0, -1),
                ..nothing.clone()
            },
            "to is no time",
        ),
        (
            ListRunsRequest {
                page_token: "x".to_owned(),
                ..nothing.clone()
            },
            "pageToken",
        ),
    ];
    for (request, expected) in cases {
        let refused = list(&world, request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{expected}");
        let said = refused.message().replace(':', "");
        assert!(said.contains(expected), "{expected}: {refused:?}");
    }
    let unknown = ListRunsRequest {
        connection: "nobody".to_owned(),
        ..nothing
    };
    let refused = list(&world, unknown).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    assert!(
        refused.message().contains(CONNECTION),
        "it names those there are: {refused:?}"
    );

    for (options, code, expected) in [
        (&["--kind", "halfway"][..], 2, "deprovision"),
        (&["--state", "lost"], 2, "expired"),
        (&["--since", "yesterday"], 2, "write 30m, 12h, 7d or 2w"),
        (&["--from", "7d"], 2, "write 2026-11-21"),
        (&["--from", "2026-11-21", "--since", "7d"], 2, "--since"),
        (&["--from", "2026-11-21", "--to", "2026-11-20"], 1, "to"),
        (&["--connection", "nobody"], 1, CONNECTION),
    ] {
        let args: Vec<&str> = ["run", "list"].iter().chain(options).copied().collect();
        let refused = world.cli_run(&args).await;
        assert_eq!(refused.code, code, "{options:?}: {refused:?}");
        assert!(refused.stderr.contains(expected), "{options:?}: {refused:?}");
    }
}

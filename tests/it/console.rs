//! The console as a browser meets it: signing in, true pages, a safe file, and nothing for other sites.

mod history;

use contracts::v1::{AccountStatus, NoticeKind, Outcome, ReviewState, Run, RunKind, RunState};
use harness::browser::Browser;
use harness::documents::CONNECTION;
use harness::people::{hire, hire_many};
use harness::runs::{counts, tally};
use harness::world::World;
use reqwest::StatusCode;
use reqwest::header::{LOCATION, ORIGIN, SET_COOKIE};
use serde_json::json;

/// What a spreadsheet would run.
const FORMULA: &str = "=HYPERLINK(\"http://evil.example\",\"Ann\")";

#[tokio::test]
async fn only_a_known_token_signs_in_and_signing_out_ends_it() {
    let world = World::start().await;
    let mut browser = Browser::of(&world);
    for path in ["/", "/runs", "/reviews", "/notices", "/connections/contoso"] {
        let answer = browser.get(path).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{path}");
        assert!(answer.header("location").starts_with("/sign-in"), "{path}");
    }
    for wrong in ["rc_0123456789", "", "' OR 1=1 --"] {
        let answer = browser.sign_in(wrong).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{}", answer.body);
        assert!(!answer.headers.contains_key(SET_COOKIE));
        assert!(
            answer.body.contains("not known") && !answer.body.contains("OR 1=1"),
            "{}",
            answer.body
        );
    }
    assert_eq!(browser.get("/").await.status, StatusCode::SEE_OTHER);

    browser.sign_in(&world.token).await;
    assert!(
        !browser.cookie.contains(&world.token),
        "the cookie is not the token"
    );
    let page = browser.page("/").await;
    assert!(page.body.contains("contoso") && !page.body.contains(&world.token));
    let form_token = page.form_token();
    let answer = browser.post("/sign-out", &[("form_token", &form_token)]).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (StatusCode::SEE_OTHER, "/sign-in")
    );
    assert_eq!(
        browser.get("/").await.status,
        StatusCode::SEE_OTHER,
        "the old cookie is worth nothing"
    );
}

#[tokio::test]
async fn a_run_is_started_from_its_button_and_the_pages_show_its_true_counts() {
    let world = World::start().await;
    hire_many(&world.tenant, 4);
    hire(&world.tenant, "away", json!({"accountEnabled": false}));
    let browser = Browser::signed_in(&world).await;
    let form_token = browser.page("/").await.form_token();
    let form = [
        ("form_token", form_token.as_str()),
        ("connection", "contoso"),
        ("kind", "full"),
    ];
    let answer = browser.post("/runs", &form).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    let id = answer
        .header(LOCATION.as_str())
        .strip_prefix("/runs/")
        .unwrap()
        .to_owned();
    let run = world.ended(&id).await;
    assert_eq!(tally(&run), [(Outcome::Added, 4), (Outcome::Skipped, 1)]);
    assert_eq!(run.trigger, "console");

    let page = browser.page(&format!("/runs/{id}")).await;
    shows_counts(&page.body, &run);
    let list = browser.page("/runs").await;
    assert!(list.body.contains(&id), "{}", list.body);
    let overview = browser.page("/").await;
    assert!(
        overview.body.contains("4 accounts are kept in step"),
        "{}",
        overview.body
    );
    let added = browser.page(&format!("/runs/{id}/changes?outcome=added")).await;
    let skipped = browser.page(&format!("/runs/{id}/changes?outcome=skipped")).await;
    assert!(
        added.body.contains("p04@contoso.com") && !added.body.contains("away@contoso.com"),
        "{}",
        added.body
    );
    assert!(
        skipped.body.contains("away@contoso.com") && !skipped.body.contains("p04@"),
        "{}",
        skipped.body
    );
}

/// The tiles say the counts that the API says, and the sum is right.
fn shows_counts(page: &str, run: &Run) {
    let tile = |word: &str| {
        let (before, _) = page
            .split_once(&format!("<span class=\"tile-word\">{word}</span>"))
            .expect(word);
        let number = before.rsplit_once("<span class=\"tile-number\">").unwrap().1;
        number.split('<').next().unwrap().parse::<u32>().unwrap()
    };
    let counts = counts(run);
    for (word, count) in [
        ("Added", counts.added),
        ("Updated", counts.updated),
        ("Unchanged", counts.unchanged),
        ("Skipped", counts.skipped),
        ("Removed", counts.removed),
        ("Held", counts.held),
        ("Failed", counts.failed),
    ] {
        assert_eq!(tile(word), count, "{word}");
    }
    assert!(
        page.contains(&format!("= {}</span>", counts.seen + counts.gone)),
        "{page}"
    );
}

#[tokio::test]
async fn the_file_of_failed_records_runs_nothing_in_a_spreadsheet() {
    let (world, run) = a_failed_formula().await;
    let browser = Browser::signed_in(&world).await;
    let file = browser.page(&format!("/runs/{}/failed.csv", run.id)).await;
    assert!(file.header("content-type").starts_with("text/csv"));
    assert!(
        file.header("content-disposition").starts_with("attachment;"),
        "{:?}",
        file.headers
    );
    assert_eq!(file.body.lines().count(), 4, "a head and three: {}", file.body);
    let defused = format!("\"'{}\"", FORMULA.replace('"', "\"\""));
    assert_eq!(file.body.matches(&defused).count(), 2, "{}", file.body);
    for cell in file.body.split([',', '\n']) {
        assert!(
            !cell.trim_start_matches('"').starts_with(['=', '+', '-', '@']),
            "{cell} in {}",
            file.body
        );
    }

    let page = browser
        .page(&format!("/runs/{}/changes?outcome=failed", run.id))
        .await;
    assert!(
        page.body.contains("HYPERLINK") && page.body.contains("&#60;b&#62;"),
        "escaped: {}",
        page.body
    );
    assert!(
        !page.body.contains("<b>"),
        "markup of a directory is text: {}",
        page.body
    );
}

/// Two people who would take the same account, so that both fail, with names that mean harm.
async fn a_failed_formula() -> (World, Run) {
    let world = World::with("", "overrideByEmail: true").await;
    world
        .import("name,login,domain,email\nOld,old,corp.contoso.com,shared@contoso.com\n")
        .await;
    for login in ["ann", "bob"] {
        let attributes = json!({"displayName": FORMULA, "mail": "shared@contoso.com", "jobTitle": "x"});
        hire(&world.tenant, login, attributes);
    }
    hire(
        &world.tenant,
        "eve",
        json!({"displayName": "<b>Eve</b>", "mail": "shared@contoso.com"}),
    );
    let run = world.run(RunKind::Full).await;
    (world, run)
}

#[tokio::test]
async fn pages_stay_with_themselves() {
    let world = World::start().await;
    let browser = Browser::signed_in(&world).await;
    for path in ["/", "/runs", "/sign-in", "/nothing-here"] {
        let answer = browser.get(path).await;
        let policy = answer.header("content-security-policy");
        for part in [
            "default-src 'none'",
            "frame-ancestors 'none'",
            "form-action 'self'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
    }
    assert_eq!(browser.get("/nothing-here").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_form_of_another_site_or_session_does_nothing() {
    let world = World::start().await;
    let browser = Browser::signed_in(&world).await;
    let own = browser.page("/").await.form_token();
    let other = Browser::signed_in(&world).await.page("/").await.form_token();
    assert_ne!(own, other);
    let form = |token| [("form_token", token), ("connection", "contoso"), ("kind", "full")];

    let cross_site = browser
        .form("/runs", &form(&own))
        .header("sec-fetch-site", "cross-site");
    let foreign_origin = browser
        .form("/runs", &form(&own))
        .header(ORIGIN, "https://evil.example");
    let no_origin = browser.form("/runs", &form(&own)).header(ORIGIN, "null");
    let other_session = browser.form("/runs", &form(&other));
    let made_up = browser.form("/runs", &form("made-up"));
    for request in [cross_site, foreign_origin, no_origin, other_session, made_up] {
        let answer = browser.send(request).await;
        assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.body);
    }
    let runs = world.cli_json(&["run", "list"]).await;
    assert_eq!(
        runs.as_array().or(runs["runs"].as_array()).map(Vec::len),
        Some(0),
        "{runs}"
    );

    let same_site = browser
        .form("/runs", &form(&own))
        .header(ORIGIN, &browser.console);
    let answer = browser.send(same_site).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    world
        .ended(answer.header("location").strip_prefix("/runs/").unwrap())
        .await;
}

#[tokio::test]
async fn d8_reviews_are_reached_from_the_bell_and_the_connection_and_decided_in_bulk() {
    let world = World::with("leavers: { disabled: review, gone: review }", "").await;
    let ids = hire_many(&world.tenant, 6);
    let ann = hire(&world.tenant, "ann", json!({}));
    world.full().await;
    for id in &ids[..3] {
        world.tenant.disable(id).unwrap();
    }
    world.tenant.hard_delete(&ann).unwrap();
    let account = world.account("ann").await.id;
    let added = world
        .cli_json(&["asset", "add", "--name", "Laptop 7", "--tag", "T-7"])
        .await;
    let asset = added["id"].as_str().unwrap();
    world.cli_json(&["asset", "assign", asset, &account]).await;
    let run = world.full().await;
    world.notice(&run.id, NoticeKind::ReviewsWaiting).await;

    let browser = Browser::signed_in(&world).await;
    let bell = browser.page("/notices").await.body;
    let link = format!("/reviews?run={}", run.id);
    assert!(bell.contains(&link), "{bell}");
    assert!(browser.page(&link).await.body.contains("p01@contoso.com"));
    let connection = browser.page("/connections/contoso").await.body;
    assert!(
        connection.contains("4 wait") && connection.contains("/reviews?connection=contoso"),
        "{connection}"
    );
    let gone = browser.page("/reviews?connection=contoso&cause=gone").await.body;
    assert!(
        gone.contains("ann@contoso.com") && gone.contains("1: Laptop 7 (T-7)") && gone.contains("last seen"),
        "{gone}"
    );
    assert!(!gone.contains("p01@contoso.com"), "{gone}");

    let disabled = browser.page("/reviews?cause=disabled").await;
    let token = disabled.form_token();
    let chosen: Vec<&str> = disabled
        .body
        .split("name=\"id\" value=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert_eq!(chosen.len(), 3);
    let mut form: Vec<(&str, &str)> = chosen.iter().map(|id| ("id", *id)).collect();
    form.extend([
        ("form_token", token.as_str()),
        ("verdict", "keep"),
        ("reason", "on parental leave"),
        ("cause", "disabled"),
    ]);
    let answer = browser.post("/reviews", &form).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    assert!(answer.header("location").contains("cause=disabled"));
    let kept = world.reviews(ReviewState::Kept).await;
    assert_eq!(kept.len(), 3);
    assert!(
        kept.iter()
            .all(|review| review.resolution_reason == "on parental leave")
    );
}

#[tokio::test]
async fn d8_what_could_not_be_decided_is_told_by_name_with_the_list_which_is_a_file_too() {
    let world = World::with("deletionMode: manual", "").await;
    hire_many(&world.tenant, 6);
    let ann = hire(&world.tenant, "ann", json!({ "displayName": FORMULA }));
    let bob = hire(&world.tenant, "bob", json!({}));
    world.full().await;
    for id in [&ann, &bob] {
        world.tenant.hard_delete(id).unwrap();
    }
    let account = world.account("ann").await.id;
    let added = world
        .cli_json(&["asset", "add", "--name", "Laptop 7", "--tag", "T-7"])
        .await;
    let asset = added["id"].as_str().unwrap();
    world.cli_json(&["asset", "assign", asset, &account]).await;
    world.full().await;
    let open = world.reviews(ReviewState::Open).await;
    assert_eq!(open.len(), 2, "{open:#?}");

    let browser = Browser::signed_in(&world).await;
    let list = browser.page("/reviews?connection=contoso").await;
    assert!(
        list.body.contains("href=\"/reviews.csv?connection=contoso\""),
        "{}",
        list.body
    );
    let file = browser.get("/reviews.csv?connection=contoso&cause=gone").await;
    assert!(file.header("content-disposition").contains("reviews.csv"));
    let lines: Vec<&str> = file.body.lines().collect();
    assert_eq!(lines.len(), 3, "{}", file.body);
    let of_ann = lines
        .iter()
        .find(|line| line.contains("ann@contoso.com"))
        .unwrap();
    assert!(
        of_ann.contains("1: Laptop 7 (T-7)") && of_ann.contains("'=HYPERLINK") && of_ann.contains(",delete,"),
        "{of_ann}"
    );
    let none = browser.get("/reviews.csv?cause=disabled").await;
    assert_eq!(none.body.lines().count(), 1, "{}", none.body);

    let token = list.form_token();
    let decide = async |verdict: &str, ids: &[&str]| {
        let mut form: Vec<(&str, &str)> = ids.iter().map(|id| ("id", *id)).collect();
        form.extend([
            ("form_token", token.as_str()),
            ("verdict", verdict),
            ("reason", "left"),
        ]);
        browser.post("/reviews", &form).await
    };
    let nobody = decide("approve", &[]).await;
    assert!(
        nobody.status == StatusCode::BAD_REQUEST && nobody.body.contains("tick the boxes"),
        "{}",
        nobody.body
    );
    let ids: Vec<&str> = open.iter().map(|review| review.id.as_str()).collect();
    let partly = decide("approve", &ids).await;
    assert_eq!(partly.status, StatusCode::CONFLICT);
    assert!(
        partly.body.contains("1 done. 1 could not be done")
            && partly.body.contains("ann@contoso.com: still holds 1 asset"),
        "{}",
        partly.body
    );
    assert_eq!(world.account("bob").await.status(), AccountStatus::Deleted);
    assert_eq!(world.account("ann").await.status(), AccountStatus::Active);
    let left = world.reviews(ReviewState::Open).await.remove(0);
    let only = decide("deactivate", &[&left.id]).await;
    assert_eq!(only.status, StatusCode::SEE_OTHER, "{}", only.body);
    assert_eq!(world.account("ann").await.status(), AccountStatus::Deactivated);
}

#[tokio::test]
async fn n7_the_system_log_is_read_and_its_list_loaded() {
    let world = World::with("leavers: { disabled: deactivate }", "").await;
    hire_many(&world.tenant, 6);
    let ann = hire(&world.tenant, "ann", json!({ "displayName": FORMULA }));
    world.full().await;
    world.tenant.disable(&ann).unwrap();
    let run = world.full().await;
    world.notice(&run.id, NoticeKind::Removed).await;
    let browser = Browser::signed_in(&world).await;
    let bell = browser.page("/notices").await.body;
    let link = format!("/log?run={}", run.id);
    assert!(bell.contains(&link), "{bell}");
    let list = browser.page(&link).await.body;
    let (_, rest) = list.split_once("href=\"/log/").expect("an entry");
    let id = rest.split('"').next().unwrap();
    let entry = browser.page(&format!("/log/{id}")).await.body;
    assert!(
        entry.contains("1 deactivated and 0 deleted") && entry.contains(&format!("/runs/{}", run.id)),
        "{entry}"
    );
    let csv = browser.page(&format!("/log/{id}/records.csv")).await;
    assert!(csv.header("content-type").starts_with("text/csv"));
    assert!(csv.header("content-disposition").starts_with("attachment"));
    assert!(
        csv.body.contains("ann@contoso.com") && csv.body.contains("'=HYPERLINK"),
        "{}",
        csv.body
    );
    let other = World::start().await;
    let stranger = Browser::signed_in(&other).await;
    let foreign = stranger.get(&format!("/log/{id}/records.csv")).await;
    assert_eq!(foreign.status, StatusCode::NOT_FOUND);
}

/// From the list of decisions: its plan is shown first, and applied like any other.
async fn one_record_is_taken_back(world: &World, browser: &Browser, run: &str, object: &str) {
    let page = browser.page(&format!("{run}/changes")).await;
    let field = format!("name=\"object\" value=\"{object}\"");
    assert!(page.body.contains(&field), "{}", page.body);
    let token = page.form_token();
    let form = [
        ("form_token", token.as_str()),
        ("object", object),
        ("what", "plan"),
    ];
    let answer = browser.send(browser.form(&format!("{run}/revert"), &form)).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    let plan = answer.header("location").to_owned();
    let id = plan.strip_prefix("/runs/").unwrap();
    assert_eq!(tally(&world.ended(id).await), [(Outcome::Removed, 1)]);
    let form = [("form_token", token.as_str())];
    let answer = browser.send(browser.form(&format!("{plan}/apply"), &form)).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    assert_eq!(world.ended(id).await.state(), RunState::Finished);
    assert_eq!(world.accounts_of("ann").await[0].status(), AccountStatus::Deleted);
}

#[tokio::test]
async fn b4_a_run_is_reverted_from_its_page() {
    let world = World::start().await;
    let ann = hire(&world.tenant, "ann", json!({}));
    hire(&world.tenant, "bob", json!({}));
    let run = world.full().await;
    let browser = Browser::signed_in(&world).await;
    let path = format!("/runs/{}", run.id);
    one_record_is_taken_back(&world, &browser, &path, &ann).await;
    let page = browser.page(&path).await;
    assert!(page.body.contains("Revert this run"), "{}", page.body);
    let token = page.form_token();
    let form = |what| {
        [
            ("form_token", token.as_str()),
            ("reason", "wrong <b>tenant"),
            ("what", what),
        ]
    };
    let revert = format!("{path}/revert");

    // First what it would do, then the thing itself.
    let answer = browser.send(browser.form(&revert, &form("plan"))).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    let plan = answer
        .header("location")
        .strip_prefix("/runs/")
        .unwrap()
        .to_owned();
    assert_eq!(
        tally(&world.ended(&plan).await),
        [(Outcome::Unchanged, 1), (Outcome::Removed, 1)]
    );
    assert_eq!(world.account("bob").await.name, "Bob");
    let answer = browser.send(browser.form(&revert, &form("do"))).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    let back = answer
        .header("location")
        .strip_prefix("/runs/")
        .unwrap()
        .to_owned();
    assert_eq!(
        tally(&world.ended(&back).await),
        [(Outcome::Unchanged, 1), (Outcome::Removed, 1)]
    );

    let page = browser.page(&format!("/runs/{back}")).await;
    for part in [
        "Revert of contoso",
        &path,
        "wrong &#60;b&#62;tenant",
        "the next full run decides",
    ] {
        assert!(page.body.contains(part), "{part}: {}", page.body);
    }
    let page = browser.page(&path).await;
    assert!(
        page.body.contains("Reverted by") && page.body.contains(&format!("/runs/{back}")),
        "{}",
        page.body
    );
    let answer = browser.send(browser.form(&revert, &form("else"))).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.body);
}

#[tokio::test]
async fn r4_the_connection_s_page_tells_last_and_next_and_switches_the_schedule() {
    let world = World::start().await;
    hire(&world.tenant, "ann", json!({}));
    world.full().await;
    let browser = Browser::signed_in(&world).await;
    let path = format!("/connections/{CONNECTION}");
    let page = browser.page(&path).await.body;
    assert!(page.contains("runs come by hand"), "{page}");
    world
        .apply(&format!(
            "kind: Schedule\nname: nightly\nconnection: {CONNECTION}\nfrequency: daily\n\
             start: \"2199-03-31T02:30\"\ntimeZone: Europe/Berlin\n"
        ))
        .await;
    let page = browser.page(&path).await;
    let press = async |what: &str| {
        let form =
            [("form_token", &*page.form_token()), ("what", what)].map(|(key, value)| (key, value.to_owned()));
        let form: Vec<(&str, &str)> = form.iter().map(|(key, value)| (*key, value.as_str())).collect();
        browser
            .send(browser.form(&format!("{path}/schedule"), &form))
            .await
    };
    for told in [
        "daily at 02:30 from 2199-03-31 on",
        "2199-03-31",
        "never",
        "not by itself",
        "Switch runs off",
    ] {
        assert!(page.body.contains(told), "{told}: {}", page.body);
    }
    let answer = press("off").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    let off = browser.page(answer.header("location")).await.body;
    assert!(
        off.contains("Switch runs on") && !off.contains("2199-03-31"),
        "{off}"
    );
    press("on").await;
    let answer = press("deprovision-on").await;
    let on = browser.page(answer.header("location")).await.body;
    for told in [
        "Switch runs off",
        "Switch deprovision off",
        "leavers nightly at 03:00",
    ] {
        assert!(on.contains(told), "{told}: {on}");
    }
    assert_eq!(press("else").await.status, StatusCode::BAD_REQUEST);
    let overview = browser.page("/").await.body;
    for told in [
        "daily at 02:30",
        "Next full run",
        "Next delta",
        "Next deprovision",
    ] {
        assert!(overview.contains(told), "{told}: {overview}");
    }

    // What keeps it from running is said on both.
    world
        .cli_run(&["connection", "disconnect", CONNECTION, "--yes"])
        .await;
    for path in ["/", path.as_str()] {
        let body = browser.page(path).await.body;
        assert!(
            body.contains("Waits because the connection is disconnected"),
            "{body}"
        );
    }
}

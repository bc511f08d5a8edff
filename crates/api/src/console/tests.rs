//! The console as a browser sees it, against a real database.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use store::run_partition::{self, Week};
use tower::Service;

use super::session::Limiter;
use super::{Console, router};
use crate::config;
use crate::testing::{World, world};

struct Browser {
    router: axum::Router,
    cookie: String,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: header::HeaderName) -> &str {
        self.headers
            .get(name)
            .map(|value| value.to_str().unwrap())
            .unwrap_or_default()
    }

    /// The token that forms of this page bring back.
    fn form_token(&self) -> &str {
        let from = self.body.find("name=\"form_token\" value=\"").unwrap() + 25;
        self.body[from - 1..]
            .trim_start_matches('"')
            .split('"')
            .next()
            .unwrap()
    }
}

impl Browser {
    fn of(world: &World) -> Self {
        let config = config::Console {
            listen: ([127, 0, 0, 1], 0).into(),
            https: false,
            session_hours: 12,
            connections: 16.try_into().unwrap(),
            sign_ins_per_minute: 3,
        };
        let limiter = Arc::new(Limiter::new(config.sign_ins_per_minute));
        let router = router(Console {
            app: world.app.clone(),
            config,
            limiter,
        });
        Self {
            router,
            cookie: String::new(),
        }
    }

    async fn signed_in(world: &World, secret: &str) -> Self {
        let mut browser = Self::of(world);
        let answer = browser
            .post("/sign-in", &format!("token={secret}&next=/runs"))
            .await;
        assert_eq!(
            (answer.status, answer.header(header::LOCATION)),
            (StatusCode::SEE_OTHER, "/runs")
        );
        let cookie = answer.header(header::SET_COOKIE);
        assert!(cookie.contains("HttpOnly; SameSite=Strict"), "{cookie}");
        browser.cookie = cookie.split(';').next().unwrap().to_owned();
        browser
    }

    async fn get(&mut self, path: &str) -> Answer {
        self.send(
            Request::get(path)
                .header(header::COOKIE, &self.cookie)
                .body(Body::empty())
                .unwrap(),
        )
        .await
    }

    async fn post(&mut self, path: &str, form: &str) -> Answer {
        let request = Request::post(path)
            .header(header::COOKIE, &self.cookie)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form.to_owned()));
        self.send(request.unwrap()).await
    }

    async fn send(&mut self, request: Request<Body>) -> Answer {
        let response = self.router.call(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = to_bytes(response.into_body(), 1_000_000).await.unwrap();
        Answer {
            status,
            headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }
}

#[tokio::test]
async fn nobody_sees_anything_before_signing_in() {
    let world = world().await;
    let mut browser = Browser::of(&world);
    for path in ["/", "/runs", "/reviews", "/notices", "/connections/contoso"] {
        let answer = browser.get(path).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{path}");
        assert!(answer.header(header::LOCATION).starts_with("/sign-in"), "{path}");
    }
    assert_eq!(browser.get("/sign-in").await.status, StatusCode::OK);
}

#[tokio::test]
async fn wrong_tokens_are_refused_and_then_slowed_down() {
    let world = world().await;
    let mut browser = Browser::of(&world);
    for _ in 0..3 {
        assert_eq!(
            browser.post("/sign-in", "token=guess").await.status,
            StatusCode::UNAUTHORIZED
        );
    }
    let right = format!("token={}", world.admin_secret);
    assert_eq!(
        browser.post("/sign-in", &right).await.status,
        StatusCode::TOO_MANY_REQUESTS
    );
}

#[tokio::test]
async fn every_page_keeps_to_itself() {
    let world = world().await;
    world.connected().await;
    let mut browser = Browser::signed_in(&world, &world.viewer_secret).await;
    for path in [
        "/",
        "/runs",
        "/reviews",
        "/reviews?connection=contoso&cause=gone",
        "/log",
        "/notices",
        "/connections/contoso",
        "/nowhere",
    ] {
        let answer = browser.get(path).await;
        let expected = if path == "/nowhere" {
            StatusCode::NOT_FOUND
        } else {
            StatusCode::OK
        };
        assert_eq!(answer.status, expected, "{path}");
        assert!(
            answer
                .header(header::CONTENT_SECURITY_POLICY)
                .contains("frame-ancestors 'none'"),
            "{path}"
        );
        assert_eq!(answer.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert_eq!(answer.header(header::CACHE_CONTROL), "no-store");
        assert!(
            !answer.body.contains(" style=") && !answer.body.contains("<script>"),
            "{path}"
        );
        assert!(answer.body.contains("<main"), "{path}");
    }
}

#[tokio::test]
async fn sync_now_starts_a_run_and_its_page_shows_it() {
    let world = world().await;
    world.connected().await;
    let mut browser = Browser::signed_in(&world, &world.admin_secret).await;
    let page = browser.get("/").await;
    let form = format!("form_token={}&connection=contoso&kind=delta", page.form_token());
    let started = browser.post("/runs", &form).await;
    assert_eq!(started.status, StatusCode::SEE_OTHER, "{}", started.body);
    let run = started.header(header::LOCATION).to_owned();
    let page = browser.get(&run).await;
    assert!(page.body.contains("Delta run of contoso") && page.body.contains("data-live="));
    let live = browser.get(&format!("{run}/live")).await;
    assert_eq!(live.headers.get("x-run-ended").unwrap(), "0");
    let cancel = format!("form_token={}", page.form_token());
    assert_eq!(
        browser.post(&format!("{run}/cancel"), &cancel).await.status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(
        browser
            .get(&format!("{run}/live"))
            .await
            .headers
            .get("x-run-ended")
            .unwrap(),
        "1"
    );
    assert_eq!(
        world
            .database
            .sql("SELECT trigger FROM run")
            .await
            .unwrap()
            .trim(),
        "console"
    );
}

#[tokio::test]
async fn a_form_needs_the_right_and_the_session() {
    let world = world().await;
    world.connected().await;
    let mut admin = Browser::signed_in(&world, &world.admin_secret).await;
    let foreign = admin
        .post("/runs", "form_token=guess&connection=contoso&kind=full")
        .await;
    assert_eq!(foreign.status, StatusCode::CONFLICT);
    let mut viewer = Browser::signed_in(&world, &world.viewer_secret).await;
    let page = viewer.get("/").await;
    assert!(!page.body.contains("Sync now"));
    let form = format!("form_token={}&connection=contoso&kind=full", page.form_token());
    assert_eq!(viewer.post("/runs", &form).await.status, StatusCode::FORBIDDEN);
    let from_elsewhere = Request::post("/runs")
        .header(header::COOKIE, &viewer.cookie)
        .header("sec-fetch-site", "cross-site")
        .body(Body::empty());
    assert_eq!(
        viewer.send(from_elsewhere.unwrap()).await.status,
        StatusCode::CONFLICT
    );
    assert_eq!(
        world
            .database
            .sql("SELECT count(*) FROM run")
            .await
            .unwrap()
            .trim(),
        "0"
    );
}

#[tokio::test]
async fn a_decision_on_reviews_needs_a_reason_and_a_choice() {
    let world = world().await;
    let mut admin = Browser::signed_in(&world, &world.admin_secret).await;
    let page = admin.get("/").await;
    let form = format!("form_token={}&verdict=approve&reason=left", page.form_token());
    let answer = admin.post("/reviews", &form).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.body.contains("tick the boxes"), "{}", answer.body);
    let id = world.app.clock.new_id();
    let form = format!("form_token={}&verdict=approve&reason=&id={id}", page.form_token());
    let answer = admin.post("/reviews", &form).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.body.contains("reason"), "{}", answer.body);
    let form = format!(
        "form_token={}&verdict=approve&reason=left&id={id}",
        page.form_token()
    );
    let answer = admin.post("/reviews", &form).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.body.contains("reconciler"), "{}", answer.body);
}

#[tokio::test]
async fn signing_out_ends_the_session() {
    let world = world().await;
    let mut browser = Browser::signed_in(&world, &world.viewer_secret).await;
    let page = browser.get("/").await;
    let form = format!("form_token={}", page.form_token());
    assert_eq!(
        browser.post("/sign-out", &form).await.status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(browser.get("/").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn names_from_the_directory_stay_text() {
    let world = world().await;
    let id = world.connected().await;
    let evil = "<img src=x onerror=alert(1)>";
    let status = format!(
        "INSERT INTO connection_status VALUES ('{id}', true, '{evil}', ARRAY['\"><b>'], '[]', now())"
    );
    world.database.sql(&status).await.unwrap();
    let mut browser = Browser::signed_in(&world, &world.viewer_secret).await;
    for path in ["/", "/connections/contoso"] {
        let body = browser.get(path).await.body;
        assert!(!body.contains(evil) && !body.contains("\"><b>"), "{path}");
        assert!(body.contains("&#60;img") || body.contains("&lt;img"), "{path}");
    }
}

#[tokio::test]
async fn n5_the_failed_ones_come_as_a_file_that_runs_nothing() {
    let world = world().await;
    let id = world.connected().await;
    let run = world.app.clock.new_id();
    let mut tx = world.app.store.begin("test").await.unwrap();
    let week = Week::of(world.app.clock.now());
    run_partition::ensure(tx.connection(), week).await.unwrap();
    tx.commit().await.unwrap();
    let organization = store::organization::DEFAULT;
    for statement in [
        format!(
            "INSERT INTO run (id, organization_id, connection_id, kind, trigger, requested_by, apply_first, created_at) \
             VALUES ('{run}', '{organization}', '{id}', 'full', 'cli', 'ann', false, now())"
        ),
        format!(
            "INSERT INTO run_plan (run_id, organization_id, connection_id, attempt, state, preview, rules_fingerprint, \
             created_at, planned_at, ended_at, seen, failed) VALUES ('{run}', '{organization}', '{id}', 1, 'finished', \
             false, 1, now(), now(), now(), 1, 1)"
        ),
        format!(
            "INSERT INTO run_page (run_id, number, attempt, source, seen, skipped, skip_reasons, decisions, fields, \
             decided_at) VALUES ('{run}', 1, 1, 1, '{{}}', '{{}}', '{{}}', 1, '', now())"
        ),
        format!(
            "INSERT INTO decision (run_id, page, position, object_id, outcome, rule, action, cause, account_version, \
             link_status, hash, had_link, late, skip, role, name, upn, reason) VALUES ('{run}', 1, 0, '{run}', \
             7, 0, 0, 0, 0, 1, 0, false, false, 0, 1, '=cmd|calc', 'ann@contoso.com', 'two users claim it')"
        ),
    ] {
        world.database.sql(&statement).await.unwrap();
    }
    let mut browser = Browser::signed_in(&world, &world.viewer_secret).await;
    let file = browser.get(&format!("/runs/{run}/failed.csv")).await;
    assert!(file.header(header::CONTENT_DISPOSITION).starts_with("attachment"));
    let expected =
        format!("upn,name,object_id,reason\r\nann@contoso.com,'=cmd|calc,{run},two users claim it\r\n");
    assert_eq!(file.body, expected);
    let page = browser.get(&format!("/runs/{run}/changes?outcome=failed")).await;
    assert!(page.body.contains("two users claim it"));
    assert!(browser.get(&format!("/runs/{run}")).await.body.contains("= 1"));
}

#[tokio::test]
async fn b17_a_quarantine_says_why_and_when_and_an_admin_ends_it() {
    let world = world().await;
    let id = world.connected().await;
    let quarantine = format!(
        "INSERT INTO connection_health (connection_id, failures, quarantined_since, cause, reason, tries, next_try_at, \
         considered_at) VALUES ('{id}', 1, now() - interval '2 hours', 'wrong_secret', 'The client secret is wrong.', 3, \
         now() + interval '30 minutes', now() + interval '1 second')"
    );
    world.database.sql(&quarantine).await.unwrap();
    let mut viewer = Browser::signed_in(&world, &world.viewer_secret).await;
    for path in ["/", "/connections/contoso"] {
        let page = viewer.get(path).await.body;
        assert!(
            page.contains("In quarantine")
                && page.contains("2 hours ago")
                && page.contains("The client secret is wrong."),
            "{path}: {page}"
        );
        assert!(!page.contains("/release"), "{path}: a viewer only looks");
    }
    let page = viewer.get("/connections/contoso").await;
    assert!(page.body.contains("in 29 minutes"), "{}", page.body);
    let form = format!("form_token={}", page.form_token());
    let refused = viewer.post("/connections/contoso/release", &form).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);

    let mut admin = Browser::signed_in(&world, &world.admin_secret).await;
    let page = admin.get("/connections/contoso").await;
    assert!(
        page.body.contains("/connections/contoso/release"),
        "{}",
        page.body
    );
    let foreign = admin
        .post("/connections/contoso/release", "form_token=guess")
        .await;
    assert_eq!(foreign.status, StatusCode::CONFLICT);
    let form = format!("form_token={}", page.form_token());
    let released = admin.post("/connections/contoso/release", &form).await;
    assert_eq!(
        (released.status, released.header(header::LOCATION)),
        (StatusCode::SEE_OTHER, &*format!("/connections/{id}"))
    );
    let page = admin.get(&format!("/connections/{id}")).await.body;
    assert!(!page.contains("quarantine"), "{page}");
    let audit = "SELECT actor, action, subject FROM audit WHERE action = 'connection.release'";
    assert_eq!(
        world.database.sql(audit).await.unwrap().trim(),
        "token ann|connection.release|contoso"
    );
}

#[tokio::test]
async fn b17_what_only_a_run_would_show_is_not_tried_where_none_is_scheduled() {
    let world = world().await;
    let id = world.connected().await;
    let quarantine = format!(
        "INSERT INTO connection_health (connection_id, failures, quarantined_since, cause, reason, tries, next_try_at, \
         considered_at) VALUES ('{id}', 1, now(), 'records_failed', '9 of 20 records failed.', 1, \
         now() + interval '30 minutes', now() + interval '1 second')"
    );
    world.database.sql(&quarantine).await.unwrap();
    let mut viewer = Browser::signed_in(&world, &world.viewer_secret).await;
    let page = viewer.get("/connections/contoso").await.body;
    assert!(page.contains("Nothing tries it by itself"), "{page}");
}

#[tokio::test]
async fn b9_a_connection_shows_when_its_secrets_expire() {
    let world = world().await;
    world.connected().await;
    let mut viewer = Browser::signed_in(&world, &world.viewer_secret).await;
    let page = viewer.get("/connections/contoso").await.body;
    assert!(page.contains("unknown: enter it as expires"), "{page}");
    let entered = "UPDATE credential SET expires_on = '2031-01-31', next_expires_on = '2033-01-31', \
                   next_secret_id = gen_random_uuid(), next_secret_key_id = secret_key_id, \
                   next_secret_ciphertext = secret_ciphertext";
    world.database.sql(entered).await.unwrap();
    let page = viewer.get("/connections/contoso").await.body;
    assert!(
        page.contains("until 2031-01-31, as it was entered")
            && page.contains("Next client secret")
            && page.contains("until 2033-01-31, as it was entered"),
        "{page}"
    );
    let read = "INSERT INTO credential_expiry (credential_id, looked_at, secret_id, expires_at) \
                SELECT id, now(), secret_id, now() + interval '6 days 1 hour' FROM credential";
    world.database.sql(read).await.unwrap();
    world
        .database
        .sql("UPDATE credential SET next_secret_key_id = NULL, next_secret_ciphertext = NULL")
        .await
        .unwrap();
    let page = viewer.get("/connections/contoso").await.body;
    assert!(
        page.contains("as the directory tells") && page.contains("expires in 6 days"),
        "{page}"
    );
}

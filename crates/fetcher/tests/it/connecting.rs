//! Connection tests, over gRPC.

use contracts::internal::v1::TestConnectionRequest;
use contracts::internal::v1::directory_client::DirectoryClient;
use contracts::v1::ConnectionTest;
use entra_sim::{AppChange, Effect, Fault, RetryAfter, Settings};

use crate::world::{Fetcher, World};

async fn test(world: &World, fetcher: &Fetcher) -> ConnectionTest {
    let mut client = DirectoryClient::connect(fetcher.grpc.clone()).await.unwrap();
    let request = TestConnectionRequest {
        connection_id: world.connection.to_string(),
    };
    client.test_connection(request).await.unwrap().into_inner()
}

fn names(test: &ConnectionTest) -> Vec<(&str, &str)> {
    test.checks
        .iter()
        .map(|check| (check.name.as_str(), check.cause.as_str()))
        .collect()
}

#[tokio::test]
async fn a_good_connection_passes_every_check() {
    let world = World::of(30).await;
    let fetcher = world.fetcher().await;
    let tested = test(&world, &fetcher).await;
    assert!(tested.passed, "{tested:?}");
    assert_eq!(
        (tested.connection.as_str(), tested.display_name.as_str()),
        ("contoso", "Contoso")
    );
    assert_eq!(
        tested.verified_domains,
        ["contoso.com", "contoso.onmicrosoft.com", "fabrikam.example"]
    );
    let steps = [
        "token",
        "organization",
        "users",
        "deleted users",
        "changes of users",
    ];
    assert_eq!(names(&tested), steps.map(|step| (step, "")));
    let stored = world
        .sql("SELECT passed, display_name, jsonb_array_length(checks) FROM connection_status")
        .await;
    assert_eq!(stored.trim(), "t|Contoso|5");
    // Only what a test needs was asked for: no page of users.
    assert_eq!(world.tenant.requests().get("GET /v1.0/users"), Some(&1));
}

#[tokio::test]
async fn each_known_failure_has_its_cause_and_next_step() {
    let world = World::of(30).await;
    let fetcher = world.fetcher().await;
    world.tenant.change_app(AppChange {
        secret: Some("another".into()),
        ..AppChange::default()
    });
    let tested = test(&world, &fetcher).await;
    assert_eq!(names(&tested), [("token", "wrong_secret")]);
    assert!(!tested.passed && tested.checks[0].next_step.contains("Value"));

    world.tenant.change_app(AppChange {
        secret: Some("demo-secret-value~not-a-guid".into()),
        roles: Some(vec!["Organization.Read.All".into()]),
        ..AppChange::default()
    });
    let tested = test(&world, &fetcher).await;
    let missing = "missing_permission";
    let expected = [
        ("token", ""),
        ("organization", ""),
        ("users", missing),
        ("deleted users", missing),
        ("changes of users", missing),
    ];
    assert_eq!(names(&tested), expected);
    assert!(tested.checks[2].message.contains("User.Read.All"));
    assert_eq!(tested.display_name, "Contoso");

    // Granted now: the test takes a new token, which has the permission.
    let roles = ["Organization.Read.All", "User.Read.All"]
        .map(String::from)
        .to_vec();
    world.tenant.change_app(AppChange {
        roles: Some(roles),
        ..AppChange::default()
    });
    assert!(test(&world, &fetcher).await.passed);

    world.tenant.set(|settings| {
        *settings = Settings {
            wrong_cloud: Some(900_382),
            ..Settings::default()
        }
    });
    assert_eq!(names(&test(&world, &fetcher).await), [("token", "wrong_cloud")]);
    world.tenant.set(|settings| *settings = Settings::default());

    let throttled = Effect::Status {
        status: 429,
        code: None,
        message: None,
        retry_after: Some(RetryAfter::Seconds(60)),
    };
    world.tenant.fault(Fault::on("*/oauth2/v2.0/token", throttled));
    assert_eq!(names(&test(&world, &fetcher).await), [("token", "throttled")]);
    world.tenant.clear_faults();
    for (number, cause) in [
        (90_002, "unknown_tenant"),
        (700_016, "unknown_app"),
        (7_000_222, "expired_secret"),
    ] {
        world.tenant.clear_faults();
        world
            .tenant
            .fault(Fault::on("*/oauth2/v2.0/token", Effect::Aadsts { code: number }));
        assert_eq!(names(&test(&world, &fetcher).await), [("token", cause)]);
    }
}

#[tokio::test]
async fn an_unreachable_host_is_told_and_the_tenants_name_is_kept() {
    let world = World::of(30).await;
    let fetcher = world
        .fetcher_with(&[("ROLLCALL_GRAPH__TEST_PATIENCE_SECONDS", "2")])
        .await;
    assert!(test(&world, &fetcher).await.passed);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let now = world.now().to_rfc3339();
    world
        .sql(&format!(
            "UPDATE connection SET login_url = 'http://{nobody}', updated_at = '{now}'"
        ))
        .await;
    assert_eq!(names(&test(&world, &fetcher).await), [("token", "unreachable")]);
    let stored = world
        .sql("SELECT passed, display_name FROM connection_status")
        .await;
    assert_eq!(stored.trim(), "f|Contoso");
}

#[tokio::test]
async fn a_connection_that_is_not_there_is_not_found() {
    let world = World::of(1).await;
    let fetcher = world.fetcher().await;
    let mut client = DirectoryClient::connect(fetcher.grpc.clone()).await.unwrap();
    for (id, code) in [
        ("nonsense".to_owned(), tonic::Code::InvalidArgument),
        (uuid::Uuid::from_u128(9).to_string(), tonic::Code::NotFound),
    ] {
        let answer = client
            .test_connection(TestConnectionRequest { connection_id: id })
            .await;
        assert_eq!(answer.unwrap_err().code(), code);
    }
}

//! What is wrong is said to programs and to people: code, field, problem and next step.

use contracts::v1::configuration_client::ConfigurationClient;
use contracts::v1::document::Kind;
use contracts::v1::{
    ApplyConfigurationRequest, Connection, Credential, Document, ExportConfigurationRequest, GetRunRequest,
    RunKind,
};
use harness::documents::CONNECTION;
use harness::world::World;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// The fields that a refusal names.
fn fields(status: &Status) -> Vec<String> {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert_eq!(status.get_details_error_info().unwrap().reason, "INVALID");
    let details = status.get_details_bad_request().unwrap();
    assert!(
        details
            .field_violations
            .iter()
            .all(|violation| !violation.description.is_empty())
    );
    details
        .field_violations
        .into_iter()
        .map(|violation| violation.field)
        .collect()
}

#[tokio::test]
async fn every_bad_field_of_a_configuration_is_named_and_nothing_is_applied() {
    let world = World::start().await;
    let mut client = ConfigurationClient::new(world.channel());
    let before = client
        .export_configuration(world.call(ExportConfigurationRequest {}))
        .await
        .unwrap()
        .into_inner();
    let documents = [
        Kind::Credential(Credential {
            name: "other-app".to_owned(),
            tenant_id: "contoso".to_owned(),
            client_id: "not a guid".to_owned(),
            client_secret: "s3cret-of-a-test".to_owned(),
            ..Credential::default()
        }),
        Kind::Connection(Connection {
            name: "other".to_owned(),
            ..Connection::default()
        }),
    ];
    let request = ApplyConfigurationRequest {
        documents: documents
            .into_iter()
            .map(|kind| Document { kind: Some(kind) })
            .collect(),
        ..ApplyConfigurationRequest::default()
    };
    let refused = client.apply_configuration(world.call(request)).await.unwrap_err();
    let fields = fields(&refused);
    for wanted in [
        "documents[0].credential.tenantId",
        "documents[0].credential.clientId",
        "documents[1].connection.tenantId",
    ] {
        assert!(
            fields.iter().any(|field| field == wanted),
            "{wanted} is not among {fields:?}"
        );
    }
    assert!(
        !format!("{refused:?}").contains("s3cret-of-a-test"),
        "{refused:?}"
    );
    let after = client
        .export_configuration(world.call(ExportConfigurationRequest {}))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(before, after);
}

#[tokio::test]
async fn a_bad_request_names_its_field_and_an_unknown_thing_its_name() {
    let world = World::start().await;
    let refused = world
        .try_start(CONNECTION, RunKind::Unspecified)
        .await
        .unwrap_err();
    assert_eq!(fields(&refused), ["kind"]);
    let refused = world.try_start("", RunKind::Full).await.unwrap_err();
    assert_eq!(fields(&refused), ["connection"]);
    for id in ["", "seven", "'; DROP TABLE run; --"] {
        let request = GetRunRequest {
            run_id: id.to_owned(),
        };
        let refused = world.runs().get_run(world.call(request)).await.unwrap_err();
        assert_eq!(fields(&refused), ["runId"]);
    }

    let unknown = world.try_start("fabrikam", RunKind::Full).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound, "{unknown:?}");
    let resource = unknown.get_details_resource_info().unwrap();
    assert_eq!(
        (resource.resource_type.as_str(), resource.resource_name.as_str()),
        ("connection", "fabrikam")
    );
    assert!(
        unknown.message().contains(CONNECTION),
        "it names those that there are: {unknown:?}"
    );
}

#[tokio::test]
async fn what_cannot_be_done_now_says_why() {
    let world = World::start().await;
    let run = world.full().await;
    let refused = world.try_apply_plan(&run.id).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
    assert!(refused.get_details_error_info().is_some(), "{refused:?}");
    assert!(!refused.message().is_empty());
}

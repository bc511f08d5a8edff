//! The gRPC API as programs meet it: reflection, health, tokens and roles, errors that say what is wrong, pages, repeats.

use contracts::v1::accounts_client::AccountsClient;
use contracts::v1::connections_client::ConnectionsClient;
use contracts::v1::tokens_client::TokensClient;
use contracts::v1::{
    CreateTokenRequest, GetConnectionRequest, GetRunRequest, ListAccountsRequest, ListConnectionsRequest,
    ListRunsRequest, RevokeTokenRequest, RunKind, StartRunRequest, TokenRole,
};
use harness::people::{hire, hire_many};
use harness::site::Site;
use harness::world::{World, call_as};
use local::stack::Service;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use prost_types::FileDescriptorProto;
use serde_json::json;
use tokio_stream::StreamExt as _;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_types::StatusExt as _;

/// Asks a server about itself, as grpcurl does.
async fn reflect(channel: &Channel, question: MessageRequest) -> MessageResponse {
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(question) };
    let mut client = ServerReflectionClient::new(channel.clone());
    let answers = client.server_reflection_info(tokio_stream::once(request)).await.unwrap();
    answers.into_inner().next().await.unwrap().unwrap().message_response.unwrap()
}

/// Everything that a service needs, learned from the server alone.
async fn learn(channel: &Channel, symbol: &str) -> DescriptorPool {
    let MessageResponse::FileDescriptorResponse(files) =
        reflect(channel, MessageRequest::FileContainingSymbol(symbol.to_owned())).await
    else {
        panic!("no file has {symbol}");
    };
    let mut known = Vec::new();
    let mut waiting: Vec<FileDescriptorProto> = decode(files.file_descriptor_proto);
    while let Some(file) = waiting.pop() {
        for needed in &file.dependency {
            let asked = MessageRequest::FileByFilename(needed.clone());
            let MessageResponse::FileDescriptorResponse(files) = reflect(channel, asked).await else {
                panic!("{needed} is not told");
            };
            waiting.extend(decode(files.file_descriptor_proto));
        }
        known.push(file);
    }
    let mut pool = DescriptorPool::new();
    pool.add_file_descriptor_protos(known).unwrap();
    pool
}

fn decode(files: Vec<Vec<u8>>) -> Vec<FileDescriptorProto> {
    files.iter().map(|file| FileDescriptorProto::decode(file.as_slice()).unwrap()).collect()
}

/// Messages that are known by their description only.
struct Dynamic(MessageDescriptor);

impl Codec for Dynamic {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = Plain;
    type Decoder = Described;

    fn encoder(&mut self) -> Plain {
        Plain
    }

    fn decoder(&mut self) -> Described {
        Described(self.0.clone())
    }
}

struct Plain;

impl Encoder for Plain {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, item: DynamicMessage, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item.encode(to).map_err(|error| Status::internal(error.to_string()))
    }
}

struct Described(MessageDescriptor);

impl Decoder for Described {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        DynamicMessage::decode(self.0.clone(), from).map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}

/// A call by names and JSON alone.
async fn call(channel: &Channel, world: &World, service: &str, method: &str, json: serde_json::Value) -> DynamicMessage {
    let pool = learn(channel, service).await;
    let service_descriptor = pool.get_service_by_name(service).unwrap();
    let method_descriptor = service_descriptor.methods().find(|found| found.name() == method).unwrap();
    let message = DynamicMessage::deserialize(method_descriptor.input(), json).unwrap();
    let mut client = Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let path = format!("/{service}/{method}").parse().unwrap();
    let answer = client.unary(world.call(message), path, Dynamic(method_descriptor.output())).await;
    answer.unwrap().into_inner()
}

#[tokio::test]
async fn a_stock_client_uses_the_api_from_reflection_alone() {
    let world = World::start().await;
    hire(&world.tenant, "ann", json!({}));
    let channel = world.channel();
    let MessageResponse::ListServicesResponse(list) =
        reflect(&channel, MessageRequest::ListServices(String::new())).await
    else {
        panic!("the services are not listed");
    };
    let names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    for part in ["Accounts", "Configuration", "Connections", "Links", "Notices", "Reviews", "Runs", "Tokens"] {
        assert!(names.contains(&format!("rollcall.v1.{part}")), "{part}: {names:?}");
    }
    assert!(names.iter().any(|name| name == "grpc.health.v1.Health"), "{names:?}");

    let run = json!({"connection": "contoso", "kind": "RUN_KIND_FULL"});
    let started = call(&channel, &world, "rollcall.v1.Runs", "StartRun", run).await;
    let id = started.get_field_by_name("id").unwrap().as_str().unwrap().to_owned();
    world.ended(&id).await;
    let accounts = call(&channel, &world, "rollcall.v1.Accounts", "ListAccounts", json!({"search": "ann"})).await;
    let list = accounts.get_field_by_name("accounts").unwrap();
    let account = list.as_list().unwrap()[0].as_message().unwrap().clone();
    assert_eq!(account.get_field_by_name("login").unwrap().as_str(), Some("ann"));
}

#[tokio::test]
async fn every_service_tells_its_health_and_its_interface_without_a_token() {
    let site = Site::shared().await;
    for service in Service::ALL {
        let url = site.stack().grpc_url(service, 1).unwrap();
        let channel = Endpoint::from_shared(url).unwrap().connect().await.unwrap();
        let request = HealthCheckRequest { service: String::new() };
        let health = HealthClient::new(channel.clone()).check(request).await.unwrap().into_inner();
        assert_eq!(health.status(), ServingStatus::Serving, "{service}");
        let answer = reflect(&channel, MessageRequest::ListServices(String::new())).await;
        assert!(matches!(answer, MessageResponse::ListServicesResponse(_)), "{service}");
    }
}

async fn list_with(world: &World, token: Option<&str>) -> Result<(), Status> {
    let message = ListConnectionsRequest::default();
    let request = match token {
        Some(token) => call_as(token, message),
        None => Request::new(message),
    };
    ConnectionsClient::new(world.channel()).list_connections(request).await.map(drop)
}

#[tokio::test]
async fn a_token_is_needed_known_and_not_revoked() {
    let world = World::start().await;
    let refused = list_with(&world, None).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert!(refused.message().contains("authorization"), "the next step: {refused:?}");
    for wrong in ["rc_wrong", "", "x y"] {
        assert_eq!(list_with(&world, Some(wrong)).await.unwrap_err().code(), Code::Unauthenticated, "{wrong:?}");
    }
    let mut tokens = TokensClient::new(world.channel());
    let create = CreateTokenRequest { name: "robot".to_owned(), role: TokenRole::Admin.into(), ..Default::default() };
    let made = tokens.create_token(world.call(create)).await.unwrap().into_inner();
    list_with(&world, Some(&made.secret)).await.unwrap();
    let revoke = RevokeTokenRequest { token: "robot".to_owned(), ..Default::default() };
    tokens.revoke_token(world.call(revoke)).await.unwrap();
    let refused = list_with(&world, Some(&made.secret)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let site = Site::shared().await;
    let count = site.sql(&format!("SELECT count(*) FROM token WHERE token::text LIKE '%{}%'", made.secret)).await;
    assert_eq!(count, "0", "only its hash is stored");
}

#[tokio::test]
async fn a_viewer_reads_and_changes_nothing() {
    let world = World::start().await;
    let mut tokens = TokensClient::new(world.channel());
    let create = CreateTokenRequest { name: "eyes".to_owned(), role: TokenRole::Viewer.into(), ..Default::default() };
    let viewer = tokens.create_token(world.call(create)).await.unwrap().into_inner().secret;
    list_with(&world, Some(&viewer)).await.unwrap();
    let start = StartRunRequest { connection: "contoso".into(), kind: RunKind::Full.into(), ..Default::default() };
    let refused = world.runs().start_run(call_as(&viewer, start)).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert!(refused.message().contains("eyes") && refused.message().contains("admin"), "{refused:?}");
    let create = CreateTokenRequest { name: "more".to_owned(), role: TokenRole::Admin.into(), ..Default::default() };
    let refused = tokens.create_token(call_as(&viewer, create)).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let runs = ListRunsRequest::default();
    assert!(world.runs().list_runs(world.call(runs)).await.unwrap().into_inner().runs.is_empty());
    // The command line says the same.
    let cli = world.cli().env("ROLLCALL_TOKEN", &viewer);
    let answer = cli.run(&["run", "start", "contoso", "--kind", "full"]).await.unwrap();
    assert_eq!(answer.code, 1);
    assert!(answer.stderr.contains("viewer"), "{answer:?}");
}

#[tokio::test]
async fn errors_name_the_field_and_what_there_is() {
    let world = World::start().await;
    let nowhere = world.try_start("nowhere", RunKind::Full).await.unwrap_err();
    assert_eq!(nowhere.code(), Code::NotFound);
    assert!(nowhere.message().contains("contoso"), "it names those there are: {nowhere:?}");
    assert_eq!(nowhere.get_details_resource_info().unwrap().resource_name, "nowhere");
    let unspecified = world.try_start("contoso", RunKind::Unspecified).await.unwrap_err();
    assert_eq!(unspecified.code(), Code::InvalidArgument);
    let violations = unspecified.get_details_bad_request().unwrap().field_violations;
    assert_eq!(violations[0].field, "kind");
    assert!(violations[0].description.contains("RUN_KIND_FULL"), "{violations:?}");
    let run = GetRunRequest { run_id: "not-an-id".to_owned() };
    let bad_id = world.runs().get_run(world.call(run)).await.unwrap_err();
    assert_eq!(bad_id.code(), Code::InvalidArgument);
    assert_eq!(bad_id.get_details_bad_request().unwrap().field_violations[0].field, "runId");
    assert_eq!(bad_id.get_details_error_info().unwrap().reason, "INVALID");
}

async fn page(world: &World, size: i32, token: &str) -> Result<(Vec<String>, String), Status> {
    let request = ListAccountsRequest { page_size: size, page_token: token.to_owned(), ..Default::default() };
    let answer = AccountsClient::new(world.channel()).list_accounts(world.call(request)).await?.into_inner();
    Ok((answer.accounts.into_iter().map(|account| account.login).collect(), answer.next_page_token))
}

#[tokio::test]
async fn lists_come_in_pages_that_hold_everyone_once() {
    let world = World::start().await;
    hire_many(&world.tenant, 23);
    world.full().await;
    let (mut all, mut token) = (Vec::new(), String::new());
    let mut pages = 0;
    loop {
        let (logins, next) = page(&world, 10, &token).await.unwrap();
        all.extend(logins);
        pages += 1;
        if next.is_empty() {
            break;
        }
        token = next;
    }
    all.sort();
    let expected: Vec<_> = (1..=23).map(|number| format!("p{number:02}")).collect();
    assert_eq!((pages, all), (3, expected));
    for bad in ["nonsense", "AAAA", &token[..token.len() - 2]] {
        let refused = page(&world, 10, bad).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{bad}");
        assert_eq!(refused.get_details_bad_request().unwrap().field_violations[0].field, "pageToken");
    }
    assert_eq!(page(&world, -1, "").await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_repeated_mutation_is_done_once() {
    let world = World::start().await;
    let start = |kind: RunKind| StartRunRequest {
        connection: "contoso".to_owned(),
        kind: kind.into(),
        idempotency_key: "once-and-only-once".to_owned(),
        ..Default::default()
    };
    let first = world.runs().start_run(world.call(start(RunKind::Full))).await.unwrap().into_inner();
    let again = world.runs().start_run(world.call(start(RunKind::Full))).await.unwrap().into_inner();
    assert_eq!(first.id, again.id);
    let runs = world.runs().list_runs(world.call(ListRunsRequest::default())).await.unwrap().into_inner().runs;
    assert_eq!(runs.len(), 1);
    let other = world.runs().start_run(world.call(start(RunKind::Delta))).await.unwrap_err();
    assert_eq!(other.code(), Code::AlreadyExists, "{other:?}");
    world.ended(&first.id).await;
}

#[tokio::test]
async fn organizations_see_nothing_of_each_other() {
    let (ours, theirs) = (World::start().await, World::start().await);
    hire(&ours.tenant, "ann", json!({}));
    let run = ours.full().await;
    assert!(theirs.accounts().await.is_empty());
    let request = GetRunRequest { run_id: run.id.clone() };
    assert_eq!(theirs.runs().get_run(theirs.call(request)).await.unwrap_err().code(), Code::NotFound);
    let refused = theirs.cancel(&run.id).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    let request = GetConnectionRequest { connection: ours.connection().await.id };
    let mut connections = ConnectionsClient::new(theirs.channel());
    assert_eq!(connections.get_connection(theirs.call(request)).await.unwrap_err().code(), Code::NotFound);
    hire(&theirs.tenant, "ann", json!({}));
    theirs.full().await;
    assert_eq!((ours.accounts().await.len(), theirs.accounts().await.len()), (1, 1), "the same login twice");
    assert!(theirs.notices().await.notices.iter().all(|notice| notice.run_id != run.id));
}

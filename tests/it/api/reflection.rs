//! A client without our contract: what it knows it has asked for.

use harness::documents::CONNECTION;
use harness::people::hire_many;
use harness::site::Site;
use harness::wait::until;
use harness::world::World;
use local::stack::Service;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor};
use prost_types::FileDescriptorProto;
use serde_json::{Value, json};
use tonic::Code;
use tonic::Status;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

#[tokio::test]
async fn a_client_that_knows_nothing_of_us_starts_a_run_and_follows_it() {
    let world = World::start().await;
    hire_many(&world.tenant, 3);
    let channel = Endpoint::from_shared(world.endpoints().api.clone())
        .unwrap()
        .connect()
        .await
        .unwrap();

    let services = services(&channel).await;
    let ours: Vec<&str> = services
        .iter()
        .filter_map(|name| name.strip_prefix("rollcall.v1."))
        .collect();
    for wanted in [
        "Accounts",
        "Configuration",
        "Connections",
        "Notices",
        "Reviews",
        "Runs",
        "Tokens",
    ] {
        assert!(ours.contains(&wanted), "{wanted} is not among {services:?}");
    }
    let pool = describe(&channel, "rollcall.v1.Runs").await;
    let runs = pool.get_service_by_name("rollcall.v1.Runs").unwrap();
    let method = |name: &str| runs.methods().find(|method| method.name() == name).unwrap();

    let start = json!({"connection": CONNECTION, "kind": "RUN_KIND_FULL", "trigger": "stranger"});
    let started = call(&channel, &world.token, &method("StartRun"), start)
        .await
        .unwrap();
    let ask = json!({"runId": started["id"]});
    let ended = until("the run's end", async || {
        let run = call(&channel, &world.token, &method("GetRun"), ask.clone())
            .await
            .unwrap();
        (run["state"] == "RUN_STATE_FINISHED").then_some(run)
    })
    .await;
    assert_eq!(ended["counts"], json!({"seen": 3, "added": 3}), "{ended:#}");
    assert_eq!(ended["trigger"], "stranger");
    assert_eq!(world.accounts().await.len(), 3);

    let refused = call(&channel, "rc_nobody", &method("GetRun"), ask)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn every_service_tells_its_health_and_describes_itself() {
    let site = Site::shared().await;
    for (service, own) in [
        (Service::Api, Some("rollcall.v1.Runs")),
        (Service::Fetcher, None),
        (Service::Reconciler, None),
        (Service::Notifier, None),
    ] {
        let url = site.stack().grpc_url(service, 1).unwrap();
        let channel = Endpoint::from_shared(url).unwrap().connect().await.unwrap();
        let services = services(&channel).await;
        assert!(
            services.iter().any(|name| name == "grpc.health.v1.Health"),
            "{service}: {services:?}"
        );
        if let Some(own) = own {
            assert!(services.iter().any(|name| name == own), "{service}: {services:?}");
        }
        let mut health = HealthClient::new(channel);
        let ours = services.iter().filter(|name| name.starts_with("rollcall."));
        for name in ours.map(String::as_str).chain([""]) {
            let request = HealthCheckRequest {
                service: name.to_owned(),
            };
            let answer = health.check(request).await.unwrap().into_inner();
            assert_eq!(answer.status(), ServingStatus::Serving, "{service}: {name:?}");
        }
        let request = HealthCheckRequest {
            service: "rollcall.v1.Nothing".to_owned(),
        };
        assert_eq!(
            health.check(request).await.unwrap_err().code(),
            Code::NotFound,
            "{service}"
        );
    }
}

async fn ask(channel: &Channel, question: MessageRequest) -> MessageResponse {
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(question),
    };
    let mut client = ServerReflectionClient::new(channel.clone());
    let mut answers = client
        .server_reflection_info(tokio_stream::iter([request]))
        .await
        .unwrap()
        .into_inner();
    answers
        .message()
        .await
        .unwrap()
        .unwrap()
        .message_response
        .unwrap()
}

async fn services(channel: &Channel) -> Vec<String> {
    match ask(channel, MessageRequest::ListServices(String::new())).await {
        MessageResponse::ListServicesResponse(list) => list.service.into_iter().map(|one| one.name).collect(),
        other => panic!("{other:?}"),
    }
}

/// The files that declare `symbol`, and all that they import.
async fn describe(channel: &Channel, symbol: &str) -> DescriptorPool {
    let mut files: Vec<FileDescriptorProto> = Vec::new();
    let mut wanted = vec![MessageRequest::FileContainingSymbol(symbol.to_owned())];
    while let Some(question) = wanted.pop() {
        if matches!(&question, MessageRequest::FileByFilename(name) if files.iter().any(|file| file.name() == name))
        {
            continue;
        }
        let MessageResponse::FileDescriptorResponse(answer) = ask(channel, question).await else {
            panic!("{symbol} is not described");
        };
        for bytes in answer.file_descriptor_proto {
            let file = FileDescriptorProto::decode(bytes.as_slice()).unwrap();
            wanted.extend(
                file.dependency
                    .iter()
                    .cloned()
                    .map(MessageRequest::FileByFilename),
            );
            if files.iter().all(|known| known.name() != file.name()) {
                files.push(file);
            }
        }
    }
    let mut pool = DescriptorPool::new();
    pool.add_file_descriptor_protos(files).unwrap();
    pool
}

async fn call(
    channel: &Channel,
    token: &str,
    method: &MethodDescriptor,
    message: Value,
) -> Result<Value, Status> {
    let message = DynamicMessage::deserialize(method.input(), message).unwrap();
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    let request = harness::world::call_as(token, message);
    let mut client = Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let answer = client
        .unary(request, path.parse().unwrap(), Described(method.output()))
        .await?;
    Ok(serde_json::to_value(answer.into_inner()).unwrap())
}

/// Messages of which only the description is known.
struct Described(MessageDescriptor);

impl Codec for Described {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self(self.0.clone())
    }

    fn decoder(&mut self) -> Self {
        Self(self.0.clone())
    }
}

impl Encoder for Described {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, message: DynamicMessage, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        message
            .encode(to)
            .map_err(|error| Status::internal(error.to_string()))
    }
}

impl Decoder for Described {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let message = DynamicMessage::decode(self.0.clone(), from);
        message
            .map(Some)
            .map_err(|error| Status::internal(error.to_string()))
    }
}

mod ask;
mod limits;

use std::convert::Infallible;
use std::path::Path;
use std::task::Poll;
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use tonic::Code;
use tonic::body::Body;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::{v1, v1alpha};
use tower::{Service, ServiceExt};
use tracing::Instrument;
use tracing_subscriber::layer::SubscriberExt;

use super::*;
use crate::config::{ClientTls, GrpcClientConfig, GrpcServerConfig, ServerTls};
use crate::drain::{Stopper, Tasks};
use crate::telemetry::TraceContext;

const DEADLINE: Duration = Duration::from_secs(20);

/// A served port, with nothing on it but health and reflection.
struct Served {
    url: String,
    health: Health,
    stopper: Stopper,
    tasks: Tasks,
}

/// As the defaults have it.
fn config(listen: std::net::SocketAddr, tls: Option<ServerTls>) -> GrpcServerConfig {
    let environment = crate::config::Environment::default();
    let sources = crate::config::Sources {
        defaults: "",
        file: None,
        environment: &environment,
    };
    let loaded = crate::config::load::<std::collections::BTreeMap<String, String>>(sources).unwrap();
    GrpcServerConfig {
        listen,
        tls,
        ..loaded.chassis.grpc
    }
}

async fn served(tls: Option<ServerTls>) -> Served {
    served_with(tls, Surface::new()).await
}

async fn served_with(tls: Option<ServerTls>, surface: Surface) -> Served {
    served_by(config("127.0.0.1:0".parse().unwrap(), tls), surface).await
}

async fn served_by(config: GrpcServerConfig, surface: Surface) -> Served {
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let stopper = Stopper::new();
    let tasks = Tasks::new(stopper.clone());
    let port = Port::bind(&config).await.unwrap();
    let health = port.health();
    let serving = port.serve(&tasks, &stopper, &stopper);
    let address = serving.address();
    serving.offer(surface).await.unwrap();
    Served {
        url: format!("{scheme}://localhost:{}", address.port()),
        health,
        stopper,
        tasks,
    }
}

impl Served {
    fn channel(&self, tls: Option<ClientTls>) -> GrpcChannel {
        channel(&GrpcClientConfig {
            url: self.url.clone(),
            tls,
        })
        .unwrap()
    }

    async fn health_of(&self, service: &str) -> Result<ServingStatus, Code> {
        check(self.channel(None), service).await
    }
}

async fn check(channel: GrpcChannel, service: &str) -> Result<ServingStatus, Code> {
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    let answer = tokio::time::timeout(DEADLINE, HealthClient::new(channel).check(request))
        .await
        .unwrap();
    answer
        .map(|answer| answer.into_inner().status())
        .map_err(|status| status.code())
}

#[tokio::test]
async fn health_says_serving_only_while_nothing_holds_it() {
    let served = served(None).await;
    assert_eq!(
        served.health_of("").await,
        Ok(ServingStatus::NotServing),
        "still starting"
    );
    served.health.release(STARTING).await;
    assert_eq!(served.health_of("").await, Ok(ServingStatus::Serving));
    served.health.hold("bus").await;
    served.health.hold("database").await;
    served.health.release("bus").await;
    assert_eq!(served.health_of("").await, Ok(ServingStatus::NotServing));
    served.health.release("database").await;
    assert_eq!(served.health_of("").await, Ok(ServingStatus::Serving));
    assert_eq!(served.health_of("rollcall.v1.Nothing").await, Err(Code::NotFound));
}

#[tokio::test]
async fn a_port_tells_its_health_while_the_service_starts_and_refuses_other_calls_for_now() {
    let config = config("127.0.0.1:0".parse().unwrap(), None);
    let stopper = Stopper::new();
    let tasks = Tasks::new(stopper.clone());
    let port = Port::bind(&config).await.unwrap();
    let health = port.health();
    let serving = port.serve(&tasks, &stopper, &stopper);
    let served = Served {
        url: format!("http://{}", serving.address()),
        health,
        stopper,
        tasks,
    };
    assert_eq!(served.health_of("").await, Ok(ServingStatus::NotServing));
    assert_eq!(served.health_of("liveness").await, Ok(ServingStatus::Serving));
    let channel = served.channel(None);
    let ask = async || {
        let request = tokio_stream::once(v1::ServerReflectionRequest::default());
        let mut client = v1::server_reflection_client::ServerReflectionClient::new(channel.clone());
        client.server_reflection_info(request).await.map(drop)
    };
    assert_eq!(ask().await.unwrap_err().code(), Code::Unavailable);
    serving.offer(Surface::new()).await.unwrap();
    ask().await.unwrap();
    served.health.release(STARTING).await;
    served.health.hold(DRAINING).await;
    assert_eq!(served.health_of("").await, Ok(ServingStatus::NotServing));
    assert_eq!(
        served.health_of("liveness").await,
        Ok(ServingStatus::Serving),
        "a copy that drains lives"
    );
}

#[tokio::test]
async fn a_connection_that_ends_under_a_call_is_unavailable() {
    use tokio::io::AsyncReadExt;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let tasks = Tasks::new(Stopper::new());
    tasks.spawn("hangs up", async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut beginning = [0; 16];
            drop(stream.read(&mut beginning).await);
        }
        Ok::<_, Infallible>(())
    });
    let channel = channel(&GrpcClientConfig { url, tls: None }).unwrap();
    assert_eq!(check(channel, "").await, Err(Code::Unavailable));
}

#[tokio::test]
async fn every_named_service_has_a_health_of_its_own() {
    let served = served(None).await;
    served.health.cover(&["rollcall.v1.Runs"]).await;
    assert_eq!(
        served.health_of("rollcall.v1.Runs").await,
        Ok(ServingStatus::NotServing)
    );
    served.health.release(STARTING).await;
    assert_eq!(
        served.health_of("rollcall.v1.Runs").await,
        Ok(ServingStatus::Serving)
    );
}

#[tokio::test]
async fn reflection_lists_the_services_in_both_versions() {
    let served = served(None).await;
    let request = v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(v1::server_reflection_request::MessageRequest::ListServices(
            String::new(),
        )),
    };
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(served.channel(None));
    let mut answers = client
        .server_reflection_info(tokio_stream::once(request))
        .await
        .unwrap()
        .into_inner();
    let answer = answers
        .message()
        .await
        .unwrap()
        .unwrap()
        .message_response
        .unwrap();
    let v1::server_reflection_response::MessageResponse::ListServicesResponse(list) = answer else {
        panic!("{answer:?}")
    };
    let names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    assert!(names.contains(&"grpc.health.v1.Health".to_owned()), "{names:?}");

    let request = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(
            v1alpha::server_reflection_request::MessageRequest::FileContainingSymbol(
                "grpc.health.v1.Health".to_owned(),
            ),
        ),
    };
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(served.channel(None));
    let mut answers = client
        .server_reflection_info(tokio_stream::once(request))
        .await
        .unwrap()
        .into_inner();
    let answer = answers
        .message()
        .await
        .unwrap()
        .unwrap()
        .message_response
        .unwrap();
    assert!(matches!(
        answer,
        v1alpha::server_reflection_response::MessageResponse::FileDescriptorResponse(_)
    ));
}

#[tokio::test]
async fn a_live_stream_ends_when_the_process_drains_and_does_not_keep_it() {
    let served = served(None).await;
    let request = HealthCheckRequest {
        service: String::new(),
    };
    let mut statuses = HealthClient::new(served.channel(None))
        .watch(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        statuses.message().await.unwrap().unwrap().status(),
        ServingStatus::NotServing
    );
    served.stopper.stop();
    let end = tokio::time::timeout(DEADLINE, statuses.message())
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(end.code(), Code::Unavailable);
    assert_eq!(
        end.message(),
        "this instance is stopping; call again to reach another"
    );
    served.tasks.finish(DEADLINE).await.unwrap();
}

#[tokio::test]
async fn a_taken_port_is_one_clear_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap();
    let error = Port::bind(&config(listen, None)).await.err().unwrap();
    let text = crate::error::chain(&error).to_string();
    assert!(
        text.starts_with(&format!(
            "cannot listen on {listen} (grpc.listen): Address already in use"
        )),
        "{text}"
    );
}

#[test]
fn a_url_and_its_tls_must_agree() {
    let config = GrpcClientConfig {
        url: "http://localhost:1".to_owned(),
        tls: Some(ClientTls::default()),
    };
    assert!(matches!(channel(&config), Err(ChannelError::Scheme { .. })));
    let config = GrpcClientConfig {
        url: "not a url".to_owned(),
        tls: None,
    };
    assert!(matches!(channel(&config), Err(ChannelError::Url { .. })));
}

/// A service that answers every call with "not found" and the trace context it sees.
#[derive(Clone)]
struct Probe;

impl tonic::server::NamedService for Probe {
    const NAME: &'static str = "rollcall.test.Probe";
}

impl Service<http::Request<Body>> for Probe {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<Body>) -> Self::Future {
        let seen = TraceContext::current().unwrap();
        let mut response = tonic::Status::not_found("nobody").into_http();
        response
            .headers_mut()
            .insert("seen", seen.as_str().parse().unwrap());
        std::future::ready(Ok(response))
    }
}

// One thread, so that the subscriber of this test is the server's too.
#[tokio::test(flavor = "current_thread")]
async fn a_call_is_a_span_below_its_caller_with_its_status() {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let _installed = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));

    let served = served_with(None, Surface::new().with(Probe)).await;
    let caller = tracing::info_span!("caller");
    let request = http::Request::post("/rollcall.test.Probe/Ask")
        .body(Body::empty())
        .unwrap();
    let response = async {
        served
            .channel(None)
            .ready()
            .await
            .unwrap()
            .call(request)
            .await
            .unwrap()
    };
    let response = response.instrument(caller.clone()).await;
    let seen = TraceContext::parse(response.headers()["seen"].to_str().unwrap()).unwrap();
    drop((response, caller));
    served.stopper.stop();
    served.tasks.finish(DEADLINE).await.unwrap();

    let spans = exporter.get_finished_spans().unwrap();
    let by_name = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    let (caller, answer) = (by_name("caller"), by_name("rollcall.test.Probe/Ask"));
    assert_eq!(answer.parent_span_id, caller.span_context.span_id());
    assert_eq!(seen.trace_id(), caller.span_context.trace_id().to_string());
    let status = answer
        .attributes
        .iter()
        .find(|known| known.key.as_str() == "rpc.grpc.status_code")
        .unwrap();
    assert_eq!(status.value, opentelemetry::Value::I64(5));
}

/// A certificate authority, and what it signed, as files.
struct Authority {
    directory: tempfile::TempDir,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(
            directory.path().join("ca.pem"),
            params.self_signed(&key).unwrap().pem(),
        )
        .unwrap();
        Self {
            directory,
            issuer: rcgen::Issuer::new(params, key),
        }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn sign(&self, name: &str) {
        let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.path().join(format!("{name}.pem")), cert.pem()).unwrap();
        std::fs::write(self.path().join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

#[tokio::test]
async fn mutual_tls_admits_only_who_has_a_certificate() {
    // Another test of this process may have installed it already.
    drop(rustls::crypto::ring::default_provider().install_default());
    let authority = Authority::new();
    authority.sign("server");
    authority.sign("client");
    let path = |name: &str| authority.path().join(name);
    let tls = ServerTls {
        cert: path("server.pem"),
        key: path("server.key"),
        client_ca: Some(path("ca.pem")),
    };
    let served = served(Some(tls)).await;

    let with_certificate = ClientTls {
        ca: Some(path("ca.pem")),
        cert: Some(path("client.pem")),
        key: Some(path("client.key")),
        domain: None,
    };
    let without = ClientTls {
        ca: Some(path("ca.pem")),
        ..ClientTls::default()
    };
    let half = ClientTls {
        key: None,
        ..with_certificate.clone()
    };
    assert_eq!(
        check(served.channel(Some(with_certificate)), "").await,
        Ok(ServingStatus::NotServing)
    );
    assert!(check(served.channel(Some(without)), "").await.is_err());
    let config = GrpcClientConfig {
        url: served.url.clone(),
        tls: Some(half),
    };
    let refused = channel(&config).map(drop).unwrap_err();
    assert!(
        matches!(&refused, ChannelError::Files { source, .. } if matches!(**source, TlsError::HalfIdentity)),
        "{refused:?}"
    );
}

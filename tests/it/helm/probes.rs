//! What the chart's probes ask, asked of running services.

use harness::site::Site;
use local::stack::Service;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::chart::{RENDERED, pod_of, text};

#[tokio::test]
async fn every_service_answers_what_its_probes_ask() {
    let site = Site::shared().await;
    for service in Service::ALL {
        let container = &pod_of(&RENDERED["minimal"], service.name()).spec["containers"][0];
        let url = site.stack().grpc_url(service, 1).unwrap();
        let channel = Endpoint::from_shared(url).unwrap().connect().await.unwrap();
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            let request = HealthCheckRequest {
                service: text(&container[probe]["grpc"]["service"]).to_owned(),
            };
            let answer = HealthClient::new(channel.clone()).check(request).await;
            let answer = answer.unwrap_or_else(|status| panic!("{service}: {probe}: {status}"));
            assert_eq!(
                answer.into_inner().status(),
                ServingStatus::Serving,
                "{service}: {probe}"
            );
        }
    }
}

//! Asking a port how its process is.

use super::*;
use crate::error::chain;
use crate::grpc::ask;

/// What a process would be told that has this port.
fn configuration(listen: &str, tls: Option<ServerTls>) -> GrpcServerConfig {
    config(listen.parse().unwrap(), tls)
}

async fn said(config: &GrpcServerConfig) -> String {
    match ask(config).await {
        Ok(()) => "serving".to_owned(),
        Err(error) => chain(&error).to_string(),
    }
}

fn port_of(served: &Served) -> u16 {
    served.url.rsplit(':').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_process_says_how_it_is_also_where_it_listens_on_every_address() {
    let served = served(None).await;
    let everywhere = configuration(&format!("0.0.0.0:{}", port_of(&served)), None);
    assert_eq!(said(&everywhere).await, "not serving");
    served.health.release(STARTING).await;
    assert_eq!(said(&everywhere).await, "serving");
    served.health.hold("database").await;
    assert_eq!(said(&everywhere).await, "not serving");
}

#[tokio::test]
async fn nobody_there_and_nobody_who_speaks_are_told_apart() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    assert_eq!(
        said(&configuration(&address, None)).await,
        format!("no answer from {address} within 3 s")
    );
    drop(listener);
    let text = said(&configuration(&address, None)).await;
    assert!(
        text.starts_with(&format!("cannot connect to {address}: ")),
        "{text}"
    );
    assert!(text.contains("Connection refused"), "{text}");
}

#[tokio::test]
async fn a_port_that_is_not_known_can_t_be_asked() {
    let text = said(&configuration("[::]:0", None)).await;
    assert!(text.starts_with("grpc.listen is [::]:0"), "{text}");
}

#[tokio::test]
async fn a_process_is_asked_over_tls_with_its_own_certificate() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let authority = Authority::new();
    authority.sign("server");
    let path = |name: &str| authority.path().join(name);
    for client_ca in [None, Some(path("ca.pem"))] {
        let tls = ServerTls {
            cert: path("server.pem"),
            key: path("server.key"),
            client_ca,
        };
        let served = served(Some(tls.clone())).await;
        served.health.release(STARTING).await;
        let listen = format!("127.0.0.1:{}", port_of(&served));
        assert_eq!(said(&configuration(&listen, Some(tls))).await, "serving");
        let in_the_clear = said(&configuration(&listen, None)).await;
        assert!(in_the_clear.contains(&listen), "{in_the_clear}");
    }
}

#[tokio::test]
async fn a_certificate_that_is_missing_is_named() {
    let authority = Authority::new();
    authority.sign("server");
    let tls = ServerTls {
        cert: authority.path().join("elsewhere.pem"),
        key: authority.path().join("server.key"),
        client_ca: Some(authority.path().join("ca.pem")),
    };
    let text = said(&configuration("127.0.0.1:7400", Some(tls))).await;
    assert!(
        text.starts_with("cannot read the TLS file ") && text.contains("elsewhere.pem"),
        "{text}"
    );
}

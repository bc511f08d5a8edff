//! The mail server against a real client.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests stop at the first thing wrong"
)]

use std::time::Duration;

use lettre::message::Body;
use lettre::message::header::ContentTransferEncoding;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use local::mail::{Action, Fault, Login, MailServer, Moment, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const LIMIT: Duration = Duration::from_secs(10);

async fn server() -> MailServer {
    let login = Login {
        user: "rollcall".into(),
        password: "s3cret".into(),
    };
    MailServer::start(Options {
        login: Some(login),
        max_message: 100_000,
        ..Options::default()
    })
    .await
    .unwrap()
}

fn client(
    server: &MailServer,
    implicit: bool,
    password: &str,
    mechanism: Mechanism,
) -> AsyncSmtpTransport<Tokio1Executor> {
    let authority = Certificate::from_pem(server.identity().authority.as_bytes()).unwrap();
    let tls = TlsParameters::builder("localhost".into())
        .add_root_certificate(authority)
        .build()
        .unwrap();
    let (address, tls) = if implicit {
        (server.smtps_address(), Tls::Wrapper(tls))
    } else {
        (server.smtp_address(), Tls::Required(tls))
    };
    let port = address.rsplit(':').next().unwrap().parse().unwrap();
    AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("127.0.0.1")
        .port(port)
        .tls(tls)
        .credentials(Credentials::new("rollcall".into(), password.into()))
        .authentication(vec![mechanism])
        .timeout(Some(LIMIT))
        .build()
}

fn starttls(server: &MailServer) -> AsyncSmtpTransport<Tokio1Executor> {
    client(server, false, "s3cret", Mechanism::Plain)
}

fn message(to: &[&str], body: &str) -> Message {
    let builder = Message::builder()
        .from("rollcall@contoso.com".parse().unwrap())
        .message_id(Some("<run-1@rollcall>".into()))
        .subject("Import finished");
    to.iter()
        .fold(builder, |builder, to| builder.to(to.parse().unwrap()))
        .body(eight_bit(body))
        .unwrap()
}

/// As it is, so that the dots and the other scripts go over the line.
fn eight_bit(body: &str) -> Body {
    Body::new_with_encoding(body.to_owned(), ContentTransferEncoding::EightBit).unwrap()
}

#[tokio::test]
async fn a_message_arrives_whole_over_both_kinds_of_tls_and_both_mechanisms() {
    let server = server().await;
    let body = ".starts with a dot\r\n..two\r\nZoë Müller, 山田\r\n.\r\n";
    for implicit in [false, true] {
        for mechanism in [Mechanism::Plain, Mechanism::Login] {
            server.clear();
            let client = client(&server, implicit, "s3cret", mechanism);
            client
                .send(message(&["ann@contoso.com", "bob@contoso.com"], body))
                .await
                .unwrap();
            let [kept] = server.messages().try_into().unwrap();
            assert_eq!(kept.from, "rollcall@contoso.com");
            assert_eq!(kept.to, ["ann@contoso.com", "bob@contoso.com"]);
            assert_eq!(kept.user.as_deref(), Some("rollcall"));
            assert!(kept.encrypted);
            assert_eq!(kept.header("message-id").as_deref(), Some("<run-1@rollcall>"));
            let sent = message(&["ann@contoso.com", "bob@contoso.com"], body).formatted();
            let text = String::from_utf8(sent).unwrap();
            // The client ends the message with a line end of its own.
            assert_eq!(body_of(&kept.text()), format!("{}\r\n", body_of(&text)));
        }
    }
}

#[tokio::test]
async fn a_wrong_password_and_an_untrusted_authority_are_refused() {
    let server = server().await;
    let wrong = client(&server, false, "guess", Mechanism::Plain);
    let error = wrong.send(message(&["ann@contoso.com"], "x")).await.unwrap_err();
    assert_eq!(
        error.status().map(|code| code.to_string()).as_deref(),
        Some("535")
    );

    let other = self::server().await;
    let login = Credentials::new("rollcall".into(), "s3cret".into());
    let authority = Certificate::from_pem(other.identity().authority.as_bytes()).unwrap();
    let tls = TlsParameters::builder("localhost".into())
        .add_root_certificate(authority)
        .build()
        .unwrap();
    let port = server
        .smtps_address()
        .rsplit(':')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let distrustful = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("127.0.0.1")
        .port(port)
        .tls(Tls::Wrapper(tls))
        .credentials(login)
        .timeout(Some(LIMIT))
        .build();
    assert!(
        distrustful
            .send(message(&["ann@contoso.com"], "x"))
            .await
            .is_err()
    );
    assert!(server.messages().is_empty());
}

#[tokio::test]
async fn nothing_is_taken_without_encryption_and_sign_in() {
    let server = server().await;
    let talk = "EHLO x\r\nAUTH PLAIN AHJvbGxjYWxsAHMzY3JldA==\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nQUIT\r\n";
    let codes = codes(&say(&server.smtp_address(), talk).await);
    assert_eq!(codes, ["220", "250", "538", "530", "503", "503", "221"]);
}

#[tokio::test]
async fn a_message_over_the_size_is_refused_before_and_after_it_is_sent() {
    let server = MailServer::start(Options {
        max_message: 1_000,
        ..Options::default()
    })
    .await
    .unwrap();
    let big = "x".repeat(2_000);
    let talk = format!(
        "EHLO x\r\nMAIL FROM:<a@b> SIZE=2000\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n{big}\r\n.\r\nQUIT\r\n"
    );
    let codes = codes(&say(&server.smtp_address(), &talk).await);
    assert_eq!(codes, ["220", "250", "552", "250", "250", "354", "552", "221"]);
    assert!(server.messages().is_empty());
}

#[tokio::test]
async fn faults_strike_when_and_as_often_as_they_are_told() {
    let server = server().await;
    let no_such_user = Action::Reply {
        code: 550,
        text: "no such user".into(),
    };
    server.add_fault(Fault::always(Moment::Recipient, no_such_user).containing("bob@"));
    server.add_fault(Fault::once(
        Moment::Message,
        Action::Reply {
            code: 451,
            text: "later".into(),
        },
    ));
    let client = starttls(&server);

    let error = client.send(message(&["bob@contoso.com"], "x")).await.unwrap_err();
    assert!(error.is_permanent(), "{error}");
    let error = client.send(message(&["ann@contoso.com"], "x")).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    client.send(message(&["ann@contoso.com"], "x")).await.unwrap();
    server.clear_faults();
    client.send(message(&["bob@contoso.com"], "x")).await.unwrap();
    assert_eq!(server.messages().len(), 2);
}

#[tokio::test]
async fn the_line_can_drop_before_and_after_a_message_is_kept() {
    let server = server().await;
    server.add_fault(Fault::once(Moment::Message, Action::Disconnect));
    assert!(
        starttls(&server)
            .send(message(&["ann@contoso.com"], "lost"))
            .await
            .is_err()
    );
    assert!(server.messages().is_empty());

    server.add_fault(Fault::once(Moment::Accepted, Action::Disconnect));
    assert!(
        starttls(&server)
            .send(message(&["ann@contoso.com"], "kept"))
            .await
            .is_err()
    );
    let kept = server
        .wait_for(1, LIMIT)
        .await
        .expect("kept although the sender cannot know");
    assert!(kept[0].text().contains("kept"));
}

#[tokio::test]
async fn a_server_comes_back_on_the_same_ports_as_the_same() {
    let first = server().await;
    let (ports, identity) = (first.ports(), first.identity().clone());
    let client = starttls(&first);
    client.send(message(&["ann@contoso.com"], "x")).await.unwrap();
    let login = first.login().cloned();
    first.stop().await;
    let options = Options {
        login,
        identity: Some(identity),
        prefer: ports,
        ..Options::default()
    };
    let second = MailServer::start(options).await.unwrap();
    assert_eq!(second.ports(), ports);
    starttls(&second)
        .send(message(&["ann@contoso.com"], "y"))
        .await
        .unwrap();
    assert_eq!(second.messages().len(), 1);
}

#[tokio::test]
async fn messages_are_shown_and_faults_set_over_http() {
    let server = server().await;
    let fault = r#"{"at":"sender","action":{"reply":{"code":421,"text":"busy"}},"times":1}"#;
    assert!(
        http(&server, "POST", "/faults", fault)
            .await
            .starts_with("HTTP/1.1 204")
    );
    assert!(
        http(&server, "POST", "/faults", r#"{"at":"noon"}"#)
            .await
            .starts_with("HTTP/1.1 422")
    );
    assert!(
        starttls(&server)
            .send(message(&["ann@contoso.com"], "x"))
            .await
            .is_err()
    );
    starttls(&server)
        .send(message(&["ann@contoso.com"], "the body"))
        .await
        .unwrap();

    let list = http(&server, "GET", "/messages", "").await;
    let list: serde_json::Value = serde_json::from_str(body_of(&list)).unwrap();
    assert_eq!(list["messages"][0]["number"], 1);
    assert_eq!(list["messages"][0]["subject"], "Import finished");
    assert_eq!(list["messages"][0]["messageId"], "<run-1@rollcall>");
    assert!(http(&server, "GET", "/messages/1", "").await.contains("the body"));
    assert!(
        http(&server, "GET", "/messages/2", "")
            .await
            .starts_with("HTTP/1.1 404")
    );
    assert!(
        http(&server, "DELETE", "/messages", "")
            .await
            .starts_with("HTTP/1.1 204")
    );
    assert!(server.messages().is_empty());
}

fn body_of(text: &str) -> &str {
    text.split_once("\r\n\r\n").unwrap().1
}

/// Sends everything at once, as a pipelining client may, and reads to the end.
async fn say(address: &str, text: &str) -> String {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    tokio::time::timeout(LIMIT, exchange)
        .await
        .expect("an answer in time")
}

async fn http(server: &MailServer, method: &str, path: &str, body: &str) -> String {
    let head = "Host: localhost\r\nConnection: close\r\nContent-Type: application/json";
    let length = body.len();
    let request = format!("{method} {path} HTTP/1.1\r\n{head}\r\nContent-Length: {length}\r\n\r\n{body}");
    say(server.http_url().strip_prefix("http://").unwrap(), &request).await
}

/// The codes of the replies, one for each, however many lines it has.
fn codes(talk: &str) -> Vec<String> {
    talk.lines()
        .filter(|line| line.as_bytes()[3] == b' ')
        .map(|line| line[..3].to_owned())
        .collect()
}

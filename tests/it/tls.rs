//! TLS on both sides, HTTP/2, and a chain of two irongates: the first reaches the second as it would an Ironic with https.

use std::path::Path;
use std::sync::Arc;

use http::{Request, StatusCode, Version};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use irongate::server::Closing;
use irongate::tls::{CertificatePem, ClientTls, TlsVersion, client_config};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::client::basic;
use crate::support::{FakeIronic, Irongate, PASSWORD, json};

pub fn certificates() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    irongate::certs::dev(directory.path(), &[], 1, false).unwrap();
    directory
}

pub fn tls(certificates: &Path) -> String {
    format!(
        "\n[listener.tls]\ncertificate_file = \"{0}/server.crt\"\nkey_file = \"{0}/server.key\"",
        certificates.display()
    )
}

pub fn connector(certificates: &Path, h2: bool) -> TlsConnector {
    let ca = CertificatePem::read(&certificates.join("ca.crt")).unwrap();
    let mut config = client_config(&ClientTls { ca, certificate: None, min_version: TlsVersion::V1_3 }).unwrap();
    if h2 {
        config.alpn_protocols = vec![b"h2".to_vec()];
    }
    TlsConnector::from(Arc::new(config))
}

#[tokio::test]
async fn http2_over_tls() {
    let certificates = certificates();
    let ironic = FakeIronic::start(|_| json("200 OK", r#"{"nodes": [], "next": "http://localhost/v1/nodes?limit=1"}"#));
    let irongate = Irongate::start_with(&ironic.endpoint(), "", &tls(certificates.path()));
    let stream = TcpStream::connect(irongate.address).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let stream = connector(certificates.path(), true).connect(name, stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    assert_eq!(stream.get_ref().1.negotiated_key_exchange_group().unwrap().name(), rustls::NamedGroup::X25519MLKEM768);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let credential = basic("admin", PASSWORD);
    let credential = credential.trim_start_matches("Authorization: ").trim_end();
    let request = Request::get(format!("https://localhost:{}/v1/nodes?limit=1", irongate.address.port()))
        .header("authorization", credential)
        .header("x-openstack-ironic-api-version", "1.80")
        .body(Empty::<bytes::Bytes>::new())
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!((answer.status(), answer.version()), (StatusCode::OK, Version::HTTP_2));
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["next"], format!("https://localhost:{}/v1/nodes?limit=1", irongate.address.port()));
    assert_eq!(irongate.records(1)[0]["http"], "HTTP/2");
    // The drain waits for the caller to see the end of the connection.
    drop(sender);
    tokio::task::spawn_blocking(move || drop(irongate)).await.unwrap();
}

/// An h2 connection to irongate, without a request.
async fn h2(
    irongate: &Irongate,
    certificates: &Path,
) -> (hyper::client::conn::http2::SendRequest<Empty<bytes::Bytes>>, tokio::task::JoinHandle<hyper::Result<()>>) {
    let stream = TcpStream::connect(irongate.address).await.unwrap();
    let stream = connector(certificates, true).connect("localhost".try_into().unwrap(), stream).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    (sender, tokio::spawn(connection))
}

/// Waits for something that irongate's own threads do.
async fn until(there: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !there() {
        assert!(std::time::Instant::now() < deadline);
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

fn list(irongate: &Irongate) -> Request<Empty<bytes::Bytes>> {
    let credential = basic("admin", PASSWORD);
    Request::get(format!("https://localhost:{}/v1/nodes", irongate.address.port()))
        .header("authorization", credential.trim_start_matches("Authorization: ").trim_end())
        .body(Empty::new())
        .unwrap()
}

#[tokio::test]
async fn an_h2_connection_that_asks_nothing_is_closed() {
    let certificates = certificates();
    let ironic = FakeIronic::plain();
    let limits = "limits = { header_timeout_seconds = 1, idle_timeout_seconds = 1 }";
    let irongate = Irongate::start_with(&ironic.endpoint(), limits, &tls(certificates.path()));
    let (silent, connection) = h2(&irongate, certificates.path()).await;
    drop(tokio::time::timeout(std::time::Duration::from_secs(20), connection).await.unwrap());
    let (mut asking, connection) = h2(&irongate, certificates.path()).await;
    assert_eq!(asking.send_request(list(&irongate)).await.unwrap().status(), 200);
    drop(tokio::time::timeout(std::time::Duration::from_secs(20), connection).await.unwrap());
    until(|| irongate.server.gate.closed(Closing::HeaderTimeout) == 1).await;
    until(|| irongate.server.gate.closed(Closing::Idle) == 1).await;
    drop((silent, asking));
    tokio::task::spawn_blocking(move || drop(irongate)).await.unwrap();
}

#[tokio::test]
async fn streams_that_are_cancelled_again_and_again_end_the_connection() {
    let certificates = certificates();
    let ironic = FakeIronic::start(|_| {
        crate::support::client::pause(std::time::Duration::from_secs(1));
        json("200 OK", "{}")
    });
    let limits = "limits = { resets_max = 10 }";
    let irongate = Irongate::start_with(&ironic.endpoint(), limits, &tls(certificates.path()));
    let (mut sender, connection) = h2(&irongate, certificates.path()).await;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !connection.is_finished() {
        assert!(std::time::Instant::now() < deadline);
        // Begun, looked at, and cancelled.
        let asked = sender.send_request(list(&irongate));
        drop(tokio::time::timeout(std::time::Duration::from_millis(30), asked).await);
    }
    until(|| irongate.server.gate.closed(Closing::Resets) == 1).await;
    until(|| irongate.server.current.load().limiter.load().requests() == 0).await;
    // Others are served.
    let (mut other, _) = h2(&irongate, certificates.path()).await;
    assert_eq!(other.send_request(list(&irongate)).await.unwrap().status(), 200);
    drop((sender, other));
    tokio::task::spawn_blocking(move || drop(irongate)).await.unwrap();
}

#[test]
fn an_https_upstream_is_verified() {
    let certificates = certificates();
    let ironic = FakeIronic::start(|_| json("200 OK", "{}"));
    // The inner one takes anybody as admin: it stands for an Ironic behind TLS.
    let open = "[[binding]]\nrole = \"admin\"\nanonymous = true\n";
    let inner = Irongate::start_with(&ironic.endpoint(), "", &format!("{}\n{open}", tls(certificates.path())));
    let endpoint = format!("https://localhost:{}", inner.address.port());
    let trusted = Irongate::at(&format!("{endpoint}\"\nca_file = \"{}/ca.crt", certificates.path().display()), "");
    assert_eq!(trusted.ask("admin", "GET", "/v1/nodes", None).status, 200);

    let other = self::certificates();
    let distrusting = Irongate::at(&format!("{endpoint}\"\nca_file = \"{}/ca.crt", other.path().display()), "");
    let answer = distrusting.ask("admin", "GET", "/v1/nodes", None);
    assert_eq!((answer.status, answer.code().as_str()), (502, "upstream_untrusted"));
    assert_eq!(ironic.arrived().len(), 1);
}

#[test]
fn irongate_shows_its_own_certificate_to_ironic() {
    let certificates = certificates();
    let ironic = FakeIronic::start(|_| json("200 OK", "{}"));
    let folder = certificates.path().display();
    // The inner one lets nobody in without a certificate.
    let asking = format!("client_certificates = \"required\"\nclient_ca_file = \"{folder}/ca.crt\"");
    let open = "[[binding]]\nrole = \"admin\"\nanonymous = true\n";
    let listener = format!("{}\n{asking}\n{open}", tls(certificates.path()));
    let inner = Irongate::start_with(&ironic.endpoint(), "", &listener);
    let endpoint = format!("https://localhost:{}\"\nca_file = \"{folder}/ca.crt", inner.address.port());
    let own = format!("\"\nclient_certificate_file = \"{folder}/client.crt\"\nclient_key_file = \"{folder}/client.key");

    let known = Irongate::at(&format!("{endpoint}{own}"), "");
    assert_eq!(known.ask("admin", "GET", "/v1/nodes", None).status, 200);
    let unknown = Irongate::at(&endpoint, "");
    assert_eq!(unknown.ask("admin", "GET", "/v1/nodes", None).status, 502);
    assert_eq!(ironic.arrived().len(), 1);
}

#[test]
fn what_is_not_tls_is_hung_up_on() {
    let certificates = certificates();
    let ironic = FakeIronic::plain();
    let irongate = Irongate::start_with(&ironic.endpoint(), "", &tls(certificates.path()));
    let answer = crate::support::send(irongate.address, b"GET /v1 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(answer.status, 0, "{answer:?}");
}

//! Client certificates: good ones, none, those of another CA, revoked ones, and a reload that changes whom to trust.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use irongate::tls::{CertificatePem, ClientTls, KeyPem, TlsVersion, client_config};
use rcgen::{CertificateRevocationListParams, Issuer, KeyIdMethod, KeyPair, RevokedCertParams, SerialNumber};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::client::{basic, parse};
use crate::support::{Answer, FakeIronic, Irongate, PASSWORD};

const NAME: &str = "spiffe://irongate.dev/nova-compute";
const BINDING: &str =
    "[[binding]]\nrole = \"operator\"\nname = \"nova\"\ncertificates = [\"spiffe://irongate.dev/nova-compute\"]\n";

fn certificates() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    irongate::certs::dev(directory.path(), &[], 1, false).unwrap();
    directory
}

/// A listener with TLS that asks for certificates.
fn tls(certificates: &Path, asked: &str, ca: &Path, more: &str) -> String {
    format!(
        "\n[listener.tls]\ncertificate_file = \"{0}/server.crt\"\nkey_file = \"{0}/server.key\"\n\
         client_certificates = \"{asked}\"\nclient_ca_file = \"{1}/ca.crt\"\n{more}\n{BINDING}",
        certificates.display(),
        ca.display()
    )
}

fn start(ironic: &FakeIronic, listener: &str, schemes: &str) -> Irongate {
    Irongate::changed(&ironic.endpoint(), listener, |text| text.replace("[\"basic\", \"anonymous\"]", schemes))
}

/// A connection that shows the client certificate of a directory; the server's is checked with `server`'s CA.
async fn connect(address: SocketAddr, server: &Path, client: Option<&Path>) -> Option<TlsStream<TcpStream>> {
    let certificate = client.map(|directory| {
        let certificate = CertificatePem::read(&directory.join("client.crt")).unwrap();
        (certificate, KeyPem::read(&directory.join("client.key")).unwrap())
    });
    let ca = CertificatePem::read(&server.join("ca.crt")).unwrap();
    let config = client_config(&ClientTls { ca, certificate, min_version: TlsVersion::V1_3 }).unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    TlsConnector::from(Arc::new(config)).connect("localhost".try_into().unwrap(), stream).await.ok()
}

/// Asks on a connection that stays; `None`: it ended without an answer.
async fn ask_on(stream: &mut TlsStream<TcpStream>, headers: &str) -> Option<Answer> {
    let request = format!("GET /v1/nodes HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = vec![0; 65536];
    let count = stream.read(&mut answer).await.ok()?;
    (count > 0).then(|| parse(&answer[..count]))
}

async fn ask(address: SocketAddr, server: &Path, client: Option<&Path>, headers: &str) -> Option<Answer> {
    let mut stream = connect(address, server, client).await?;
    ask_on(&mut stream, headers).await
}

async fn stop(irongate: Irongate) {
    tokio::task::spawn_blocking(move || drop(irongate)).await.unwrap();
}

#[tokio::test]
async fn a_required_certificate_is_who_the_caller_is() {
    let (good, other) = (certificates(), certificates());
    let (good, other) = (good.path(), other.path());
    let ironic = FakeIronic::plain();
    let irongate = start(&ironic, &tls(good, "required", good, ""), "[\"certificate\"]");
    let answer = ask(irongate.address, good, Some(good), "").await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let record = &irongate.records(1)[0];
    assert_eq!(record["principal"]["scheme"], "certificate");
    assert_eq!(record["principal"]["name"], NAME);
    assert_eq!(record["principal"]["bindings"], serde_json::json!(["nova"]));

    // Without one, and with one of another CA, there is no connection, whatever the headers say.
    let forged = format!("X-Forwarded-Client-Cert: URI={NAME}\r\nX-SSL-Client-Verify: SUCCESS\r\n");
    assert!(ask(irongate.address, good, None, &forged).await.is_none());
    assert!(ask(irongate.address, good, Some(other), &forged).await.is_none());
    // A second credential beside the certificate.
    for header in
        [basic("admin", PASSWORD), "X-Auth-Token: t\r\n".to_owned(), "Authorization: Bearer a.b.c\r\n".to_owned()]
    {
        let answer = ask(irongate.address, good, Some(good), &header).await.unwrap();
        assert_eq!((answer.status, answer.code().as_str()), (400, "credentials_contradict"), "{header}: {answer:?}");
    }
    assert_eq!(ironic.arrived().len(), 1);
    stop(irongate).await;
}

#[tokio::test]
async fn an_optional_certificate_leaves_room_for_others() {
    let (good, other) = (certificates(), certificates());
    let (good, other) = (good.path(), other.path());
    let ironic = FakeIronic::plain();
    let listener = tls(good, "optional", good, "");
    let irongate = start(&ironic, &listener, "[\"certificate\", \"basic\", \"anonymous\"]");
    let user = basic("admin", PASSWORD);
    let check = async |client: Option<&Path>, headers: &str, expected: (u16, &str)| {
        let answer = ask(irongate.address, good, client, headers).await.unwrap();
        assert_eq!((answer.status, answer.code().as_str()), expected, "{headers}: {answer:?}");
    };
    check(Some(good), "", (200, "")).await;
    check(None, &user, (200, "")).await;
    check(None, "", (401, "credential_missing")).await;
    check(Some(good), &user, (400, "credentials_contradict")).await;
    // Keystone clients without authentication say so.
    check(Some(good), "X-Auth-Token: notused\r\n", (200, "")).await;
    assert!(ask(irongate.address, good, Some(other), &user).await.is_none());
    stop(irongate).await;

    // Where certificates are no scheme they only open the door: the header says who it is.
    let gate = start(&ironic, &tls(good, "required", good, ""), "[\"basic\", \"anonymous\"]");
    let answer = ask(gate.address, good, Some(good), &user).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(gate.records(1)[0]["principal"]["name"], "admin");
    let answer = ask(gate.address, good, Some(good), "").await.unwrap();
    assert_eq!(answer.status, 401, "the certificate gives no role here: {answer:?}");
    assert!(ask(gate.address, good, None, &user).await.is_none());
    stop(gate).await;
}

#[tokio::test]
async fn a_reload_changes_whom_to_trust() {
    let (good, other) = (certificates(), certificates());
    let (good, other) = (good.path(), other.path());
    let ironic = FakeIronic::plain();
    let irongate = start(&ironic, &tls(good, "required", good, ""), "[\"certificate\"]");
    let mut lasting = connect(irongate.address, good, Some(good)).await.unwrap();
    assert_eq!(ask_on(&mut lasting, "").await.unwrap().status, 200);
    // The same CA under a bundle with another one: the connection goes on.
    let ca = |directory: &Path| std::fs::read_to_string(directory.join("ca.crt")).unwrap();
    std::fs::write(good.join("both.crt"), ca(good) + &ca(other)).unwrap();
    irongate.reload(|text| {
        text.replace(
            &format!("client_ca_file = \"{}/ca.crt", good.display()),
            &format!("client_ca_file = \"{}/both.crt", good.display()),
        )
    });
    assert_eq!(ask_on(&mut lasting, "").await.unwrap().status, 200);
    assert_eq!(ask(irongate.address, good, Some(other), "").await.unwrap().status, 200);
    // Another CA alone: what it trusted before is out, on connections that last, too.
    irongate.reload(|text| {
        text.replace(
            &format!("client_ca_file = \"{}/both.crt", good.display()),
            &format!("client_ca_file = \"{}/ca.crt", other.display()),
        )
    });
    let answer = ask_on(&mut lasting, "").await.unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (403, "certificate_distrusted"), "{answer:?}");
    assert!(ask_on(&mut lasting, "").await.is_none(), "the connection is closed");
    assert!(ask(irongate.address, good, Some(good), "").await.is_none());
    assert_eq!(ask(irongate.address, good, Some(other), "").await.unwrap().status, 200);
    stop(irongate).await;
}

/// A list of revoked certificates, by the development CA.
fn revocation_list(directory: &Path, revoked: bool, days: i64) {
    let read = |file: &str| std::fs::read_to_string(directory.join(file)).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&read("ca.crt"), KeyPair::from_pem(&read("ca.key")).unwrap()).unwrap();
    let client = CertificatePem::read(&directory.join("client.crt")).unwrap().certificates().unwrap();
    let (_, parsed) = x509_parser::parse_x509_certificate(&client[0]).unwrap();
    let revoked_one = RevokedCertParams {
        serial_number: SerialNumber::from_slice(parsed.raw_serial()),
        revocation_time: rcgen::date_time_ymd(2024, 1, 1),
        reason_code: None,
        invalidity_date: None,
    };
    let today = rcgen::date_time_ymd(1970, 1, 1)
        + std::time::Duration::from_secs(jiff::Timestamp::now().as_second().try_into().unwrap());
    let day = std::time::Duration::from_secs(86_400);
    let next = if days < 0 { today - day } else { today + day };
    let params = CertificateRevocationListParams {
        this_update: today - day * 2,
        next_update: next,
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: if revoked { vec![revoked_one] } else { Vec::new() },
        key_identifier_method: KeyIdMethod::Sha256,
    };
    std::fs::write(directory.join("client.crl"), params.signed_by(&issuer).unwrap().pem().unwrap()).unwrap();
}

#[tokio::test]
async fn revoked_certificates_are_out() {
    let good = certificates();
    let good = good.path();
    let ironic = FakeIronic::plain();
    revocation_list(good, false, 1);
    let more = format!("client_crl_file = \"{}/client.crl\"", good.display());
    let irongate = start(&ironic, &tls(good, "required", good, &more), "[\"certificate\"]");
    let mut lasting = connect(irongate.address, good, Some(good)).await.unwrap();
    assert_eq!(ask_on(&mut lasting, "").await.unwrap().status, 200);
    revocation_list(good, true, 1);
    irongate.reload(|text| text);
    let answer = ask_on(&mut lasting, "").await.unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (403, "certificate_distrusted"), "{answer:?}");
    assert!(ask(irongate.address, good, Some(good), "").await.is_none());
    // A list that has expired vouches for nobody.
    revocation_list(good, false, -1);
    irongate.reload(|text| text);
    assert!(ask(irongate.address, good, Some(good), "").await.is_none());
    stop(irongate).await;
}

//! Credentials of an attacker's making, over HTTP/1.1 as bytes and over HTTP/2: repeated, contradicting, oddly named, too long.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use irongate::tls::{CertificatePem, ClientTls, KeyPem, TlsVersion, client_config};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::client::basic;
use crate::support::{FakeIronic, Irongate, PASSWORD, send};

/// Nobody listens there: a row that asks Keystone is answered 503.
const KEYSTONE: &str = "[authentication.keystone]\nurl = \"http://127.0.0.1:1/v3\"\n";

/// A Fernet token by its looks.
fn token() -> String {
    format!("gAAAA{}", "x".repeat(100))
}

fn credential() -> String {
    basic("admin", PASSWORD).trim_start_matches("Authorization: ").trim_end().to_owned()
}

/// Names and values as they are sent, the status, and irongate's own word where there is one.
type Row<'a> = (Vec<(&'a str, String)>, &'a [u16], &'a str);

fn rows() -> Vec<Row<'static>> {
    let (token, basic) = (token(), credential());
    let two = |one: (&'static str, &str), other: (&'static str, &str)| {
        vec![(one.0, one.1.to_owned()), (other.0, other.1.to_owned())]
    };
    vec![
        (two(("authorization", &basic), ("x-auth-token", &token)), &[400], "credentials_contradict"),
        (two(("authorization", "Bearer a.b.c"), ("x-auth-token", &token)), &[400], "credentials_contradict"),
        (two(("authorization", &basic), ("x-service-token", &token)), &[400], "credentials_contradict"),
        (two(("authorization", &basic), ("x-auth-token", "")), &[400], "credentials_contradict"),
        (two(("authorization", &basic), ("authorization", &basic)), &[400], "repeated_header"),
        (two(("authorization", &basic), ("authorization", "Bearer a.b.c")), &[400], "repeated_header"),
        (two(("x-auth-token", &token), ("x-auth-token", &token)), &[400], "repeated_header"),
        (two(("x-auth-token", "notused"), ("x-auth-token", &token)), &[400], "repeated_header"),
        (two(("x-service-token", &token), ("x-service-token", &token)), &[400], "repeated_header"),
        (two(("authorization", &basic), ("x_auth_token", &token)), &[400], "header_name"),
        (vec![("x_auth_token", token.clone())], &[400], "header_name"),
        (vec![("x-auth_token", token.clone())], &[400], "header_name"),
        (vec![("x.auth.token", token.clone())], &[400], "header_name"),
        (vec![("http_x_auth_token", token.clone())], &[400], "header_name"),
        (vec![("x-service-token", token.clone())], &[401], "service_token_alone"),
        (vec![("x-auth-token", String::new())], &[401], "token_malformed"),
        (vec![("x-auth-token", "a".repeat(9000))], &[401], "token_malformed"),
        (vec![("x-auth-token", format!("gAAAA{}", "a".repeat(9000)))], &[401], "token_malformed"),
        (vec![("x-auth-token", format!("{token}, {token}"))], &[401], "token_malformed"),
        (vec![("x-auth-token", format!("{token}%00"))], &[401], "token_malformed"),
        (vec![("x-auth-token", format!("{token}\tx"))], &[401], "token_malformed"),
        (vec![("x-auth-token", "a".repeat(300_000))], &[0, 431], ""),
        (vec![("authorization", format!("{basic}, {basic}"))], &[401], "credential_malformed"),
        (vec![("authorization", format!("{basic},Bearer a.b.c"))], &[401], "credential_malformed"),
        (vec![("authorization", format!("Basic {}", "A".repeat(9000)))], &[401], "credential_malformed"),
        (vec![("authorization", format!("Bearer {}", "a".repeat(9000)))], &[401], "credential_not_served"),
        (vec![("authorization", "Basic".to_owned())], &[401], "credential_malformed"),
        (vec![("authorization", "Token x".to_owned())], &[401], "credential_not_served"),
        (vec![("proxy-authorization", basic.clone())], &[401], "credential_missing"),
        (vec![("x-remote-user", "admin".to_owned()), ("x-roles", "admin".to_owned())], &[401], "credential_missing"),
        (vec![("cookie", format!("authorization={basic}"))], &[401], "credential_missing"),
        (
            vec![("x-forwarded-client-cert", "URI=spiffe://irongate.dev/nova-compute".to_owned())],
            &[401],
            "credential_missing",
        ),
        (vec![("x-ssl-client-cert", "admin".to_owned())], &[401], "credential_missing"),
    ]
}

fn start(ironic: &FakeIronic, listener: &str) -> Irongate {
    Irongate::changed(&ironic.endpoint(), listener, |text| {
        text.replace("[\"basic\", \"anonymous\"]", "[\"keystone\", \"basic\"]")
            .replace("[upstream]\n", &format!("{KEYSTONE}[upstream]\n"))
    })
}

#[test]
fn over_http1() {
    let ironic = FakeIronic::plain();
    let irongate = start(&ironic, "");
    let ask = |headers: &[u8]| {
        let head =
            b"GET /v1/nodes HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-OpenStack-Ironic-API-Version: 1.80\r\n";
        send(irongate.address, &[head, headers, b"\r\n"].concat())
    };
    let mut count = 0;
    let mut wrong = Vec::new();
    for (headers, statuses, code) in rows() {
        for upper in [false, true] {
            let name = |name: &str| if upper { name.to_uppercase() } else { name.to_owned() };
            let lines: String = headers.iter().map(|(named, value)| format!("{}: {value}\r\n", name(named))).collect();
            let answer = ask(lines.as_bytes());
            let shown = lines.get(..200).unwrap_or(&lines);
            if !statuses.contains(&answer.status) || !code.is_empty() && answer.code() != code {
                wrong.push(format!("{shown}: {} {}", answer.status, answer.code()));
            }
            count += 1;
        }
    }
    // Bytes that no header of HTTP/2's libraries can hold.
    for value in [&b"tok\x01en"[..], b"tok\x7fen", b"tok\xffen", b"\xc3\xa4", b"a\0b", b"a\rb", b"a\r\n b"] {
        for name in ["X-Auth-Token", "Authorization", "X-Service-Token"] {
            let answer = ask(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
            if ![400, 401].contains(&answer.status) {
                wrong.push(format!("{name} {value:?}: {}", answer.status));
            }
        }
    }
    for line in [
        "X-Auth-Token : t\r\n",
        " X-Auth-Token: t\r\n",
        "X-Auth-Token\r\n",
        "X-Auth-Token\0: t\r\n",
        "X-Auth\u{2010}Token: t\r\n",
    ] {
        let status = ask(line.as_bytes()).status;
        if status != 400 {
            wrong.push(format!("{line:?}: {status}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(count > 60 && ironic.arrived().is_empty());
    let good = format!("aUtHoRiZaTiOn: {}\r\n", credential());
    assert_eq!(ask(good.as_bytes()).status, 200, "a name's case means nothing");
}

fn certificates() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    irongate::certs::dev(directory.path(), &[], 1, false).unwrap();
    directory
}

async fn connect(address: SocketAddr, directory: &Path, certified: bool) -> SendRequest<Empty<Bytes>> {
    let read = |file: &str| CertificatePem::read(&directory.join(file)).unwrap();
    let key = || KeyPem::read(&directory.join("client.key")).unwrap();
    let certificate = certified.then(|| (read("client.crt"), key()));
    let mut config =
        client_config(&ClientTls { ca: read("ca.crt"), certificate, min_version: TlsVersion::V1_3 }).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(address).await.unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect("localhost".try_into().unwrap(), stream).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// The status and irongate's word; 0 where the stream was reset.
async fn ask(sender: &mut SendRequest<Empty<Bytes>>, headers: &[(&str, String)]) -> (u16, String) {
    let mut request = Request::get("https://localhost/v1/nodes").body(Empty::new()).unwrap();
    for (name, value) in headers {
        let (name, value) = (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(value).unwrap());
        request.headers_mut().append(name, value);
    }
    let Ok(answer) = sender.send_request(request).await else { return (0, String::new()) };
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    (status, body["irongate"]["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn over_http2() {
    let directory = certificates();
    let ironic = FakeIronic::plain();
    let listener = format!(
        "[listener.tls]\ncertificate_file = \"{0}/server.crt\"\nkey_file = \"{0}/server.key\"\n",
        directory.path().display()
    );
    let irongate = start(&ironic, &listener);
    let mut wrong = Vec::new();
    for (headers, statuses, code) in rows() {
        let mut sender = connect(irongate.address, directory.path(), false).await;
        let (status, told) = ask(&mut sender, &headers).await;
        if !statuses.contains(&status) || !code.is_empty() && told != code {
            wrong.push(format!("{:?}: {status} {told}", headers.iter().map(|(name, _)| name).collect::<Vec<_>>()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(ironic.arrived().is_empty());
    let mut sender = connect(irongate.address, directory.path(), false).await;
    assert_eq!(ask(&mut sender, &[("authorization", credential())]).await.0, 200);
    // Streams of one connection have credentials of their own.
    assert_eq!(ask(&mut sender, &[]).await, (401, "credential_missing".to_owned()));
    drop(sender);
    tokio::task::spawn_blocking(move || drop(irongate)).await.unwrap();
}

#[tokio::test]
async fn a_certificate_beside_a_header_over_http2() {
    let directory = certificates();
    let ironic = FakeIronic::plain();
    let listener = format!(
        "[listener.tls]\ncertificate_file = \"{0}/server.crt\"\nkey_file = \"{0}/server.key\"\n\
         client_certificates = \"optional\"\nclient_ca_file = \"{0}/ca.crt\"\n\
         [[binding]]\nrole = \"operator\"\nname = \"nova\"\ncertificates = [\"spiffe://irongate.dev/nova-compute\"]\n",
        directory.path().display()
    );
    // In every order of the schemes.
    for schemes in [
        ["certificate", "keystone", "basic"],
        ["basic", "certificate", "keystone"],
        ["keystone", "basic", "certificate"],
        ["certificate", "basic", "keystone"],
        ["keystone", "certificate", "basic"],
        ["basic", "keystone", "certificate"],
    ] {
        let irongate = start(&ironic, &listener);
        irongate.reload(|text| text.replace("[\"keystone\", \"basic\"]", &format!("{schemes:?}")));
        let mut sender = connect(irongate.address, directory.path(), true).await;
        for header in [("authorization", credential()), ("x-auth-token", token()), ("x-service-token", token())] {
            let found = ask(&mut sender, &[header]).await;
            assert_eq!(found, (400, "credentials_contradict".to_owned()), "{schemes:?}");
        }
        assert_eq!(ask(&mut sender, &[]).await.0, 200, "{schemes:?}");
        let mut nobody = connect(irongate.address, directory.path(), false).await;
        let forged = [("x-forwarded-client-cert", "URI=spiffe://irongate.dev/nova-compute".to_owned())];
        assert_eq!(ask(&mut nobody, &forged).await, (401, "credential_missing".to_owned()), "{schemes:?}");
        drop((sender, nobody));
        tokio::task::spawn_blocking(move || drop(irongate)).await.unwrap();
    }
}

//! Two readers of one message: nothing that could be read in two ways gets through.

use crate::support::client::{basic, send};
use crate::support::{FakeIronic, Irongate, PASSWORD};

/// Sends a request as it stands, with `{auth}` replaced, and expects a refusal that nothing arrives of.
fn refused(request: &str, statuses: &[u16]) {
    let ironic = FakeIronic::plain();
    let irongate = Irongate::start(&ironic, "");
    // Refusals of a head's framing close the connection by themselves; others need to be asked.
    let request = request.replacen(" HTTP/1.1\r\n", " HTTP/1.1\r\nConnection: close\r\n", 1);
    let request = request.replace("{auth}", &basic("admin", PASSWORD));
    let answer = send(irongate.address, request.as_bytes());
    assert!(statuses.contains(&answer.status), "{request:?} gave {answer:?}");
    assert!(ironic.arrived().is_empty(), "{request:?} arrived: {:?}", ironic.arrived());
    irongate.records(1);
}

#[test]
fn ambiguous_lengths() {
    let body = "{\"target\": \"power on\"}";
    let smuggled = "GET /v1/nodes HTTP/1.1\r\nHost: h\r\n\r\n";
    for (headers, body) in [
        ("Content-Length: 22\r\nTransfer-Encoding: chunked\r\n", format!("0\r\n\r\n{smuggled}")),
        ("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", format!("0\r\n\r\n{smuggled}")),
        ("Transfer-Encoding: chunked\r\n", format!("16\r\n{body}\r\n0\r\n\r\n")),
        ("Transfer-Encoding: gzip, chunked\r\n", format!("16\r\n{body}\r\n0\r\n\r\n")),
        ("Transfer-Encoding: identity\r\n", body.to_owned()),
        ("Content-Length: 22\r\nContent-Length: 21\r\n", body.to_owned()),
        ("Content-Length: +22\r\n", body.to_owned()),
        ("Content-Length: 0x16\r\n", body.to_owned()),
        ("Content-Length: 22, 22\r\n", body.to_owned()),
        ("Content-Encoding: gzip\r\nContent-Length: 22\r\n", body.to_owned()),
    ] {
        let request = format!(
            "PUT /v1/nodes/n/states/power HTTP/1.1\r\nHost: h\r\n{{auth}}Content-Type: application/json\r\n{headers}\r\n{body}"
        );
        refused(&request, &[400, 411, 415]);
    }
}

#[test]
fn odd_heads() {
    for request in [
        "GET http://other/v1/nodes HTTP/1.1\r\nHost: h\r\n{auth}\r\n",
        "GET /v1/nodes HTTP/1.1\r\n{auth}\r\n",
        "GET /v1/nodes HTTP/1.1\r\nHost: h\r\nHost: i\r\n{auth}\r\n",
        "GET /v1/nodes HTTP/1.1\r\nHost: h\r\n{auth}{auth}\r\n",
        "GET /v1/nodes HTTP/1.1\r\nHost: h\r\n{auth}X_Auth_Token: t\r\n\r\n",
        "GET /v1/nodes HTTP/1.1\r\nHost: h\r\n{auth}X-OpenStack_Ironic-API-Version: 1.1\r\n\r\n",
        "GET /v1/nodes HTTP/1.1\r\nHost: h\r\n{auth}X-A: b\r\n c\r\n\r\n",
        "GET /v1/nodes HTTP/1.1\r\nHost: h\r\n{auth}X-A : b\r\n\r\n",
        "GET /v1/nodes HTTP/1.1\r\nHost: h\r\n{auth}Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        "GET /v1/nodes HTTP/1.1\r\nHost: h\r\n{auth}Expect: the-unexpected\r\n\r\n",
        "GET  /v1/nodes HTTP/1.1\r\nHost: h\r\n{auth}\r\n",
        "GET /v1/nodes\x00 HTTP/1.1\r\nHost: h\r\n{auth}\r\n",
        "TRACE /v1/nodes HTTP/1.1\r\nHost: h\r\n{auth}\r\n",
        "CONNECT ironic:6385 HTTP/1.1\r\nHost: h\r\n{auth}\r\n",
        "PROVISION /v1/nodes/n/states?target=manage HTTP/1.1\r\nHost: h\r\n{auth}\r\n",
        "get /v1/nodes HTTP/1.1\r\nHost: h\r\n{auth}\r\n",
        "GET /v1/nodes HTTP/1.1\r\nHost: h\r\n{auth}Content-Length: 2\r\nContent-Type: application/json\r\n\r\n{}",
    ] {
        refused(request, &[400, 405, 415]);
    }
}

#[test]
fn only_the_allow_list_arrives() {
    let ironic = FakeIronic::plain();
    let irongate = Irongate::start(&ironic, "");
    let answer = irongate.ask_with(
        "admin",
        "GET",
        "/v1/nodes?fields=uuid%2Cname",
        "X-Roles: admin\r\nX-Project-Id: p\r\nX-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Host: evil\r\nForwarded: host=evil\r\n\
         Cookie: a=b\r\nAccept-Encoding: gzip\r\nX-HTTP-Method-Override: DELETE\r\nTE: trailers\r\nReferer: r\r\n",
        None,
    );
    assert_eq!(answer.status, 200, "{answer:?}");
    let arrived = &ironic.arrived()[0];
    let mut names: Vec<_> = arrived.headers.iter().map(|(name, _)| name.to_lowercase()).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "accept",
            "host",
            "user-agent",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto",
            "x-openstack-ironic-api-version",
            "x-openstack-request-id"
        ]
    );
    assert_eq!(arrived.header("host"), Some("localhost"));
    assert_eq!(arrived.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(arrived.header("x-forwarded-host"), Some("irongate.test"));
    assert_eq!(arrived.header("x-openstack-ironic-api-version"), Some("1.80"));
}

#[test]
fn the_body_that_arrives_is_our_own() {
    let ironic = FakeIronic::start(|_| crate::support::json("202 Accepted", ""));
    let irongate = Irongate::start(&ironic, "");
    let answer =
        irongate.ask("admin", "PUT", "/v1/nodes/n/states/power", Some("{ \"t\\u0061rget\" :\n \"power \\u006fn\" }"));
    assert_eq!(answer.status, 202, "{answer:?}");
    let arrived = &ironic.arrived()[0];
    assert_eq!(String::from_utf8_lossy(&arrived.body), r#"{"target":"power on"}"#);
    assert_eq!(arrived.header("content-length"), Some("21"));
    assert_eq!(arrived.header("content-type"), Some("application/json"));
}

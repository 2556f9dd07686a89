//! What a listener serves at all, from where, and the sample that docs/listeners.md shows.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::support::client::{basic, parse};
use crate::support::{Answer, FakeIronic, Irongate, PASSWORD, send};
use irongate::config::{self, ListenAddress};

/// The blocks of this language in a document.
fn blocks(document: &str, language: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(document);
    let text = std::fs::read_to_string(path).unwrap();
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// Loads a sample in a directory with all that it names.
pub fn load_sample(document: &str, first_line: &str) -> config::Config {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    irongate::certs::dev(path, &[], 1, false).unwrap();
    let hash = irongate::authenticate::hash(&PASSWORD.to_owned().into(), 4).unwrap();
    std::fs::write(path.join("users.htpasswd"), format!("admin:{hash}\n")).unwrap();
    std::fs::create_dir_all(path.join("policies/roles")).unwrap();
    for role in ["admin.cedar", "ramdisk.cedar"] {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/roles").join(role);
        std::fs::copy(shipped, path.join("policies/roles").join(role)).unwrap();
    }
    let sample = blocks(document, "toml").into_iter().find(|block| block.starts_with(first_line));
    let file = path.join("irongate.toml");
    std::fs::write(&file, sample.unwrap_or_else(|| panic!("{document} has no block that begins with {first_line}")))
        .unwrap();
    config::load(&file).unwrap_or_else(|errors| panic!("{document}: {errors:?}"))
}

#[test]
fn the_documented_listeners_can_be_loaded() {
    let config = load_sample("listeners.md", "# public and provisioning");
    let names: Vec<&str> = config.listeners.iter().map(|listener| &*listener.name).collect();
    assert_eq!(names, ["public", "services", "ramdisk"]);
}

#[test]
fn a_listener_serves_what_it_names() {
    let ironic = FakeIronic::plain();
    let second = "operations = [\"ramdisk\", \"discover\", \"node:set_power_state\"]\n\
                  [[listener]]\nname = \"open\"\naddress = \"127.0.0.1:0\"\nschemes = [\"basic\", \"anonymous\"]\n";
    let irongate = Irongate::start_with(&ironic.endpoint(), "", second);
    let check = |user: &str, method: &str, target: &str, status: u16, code: &str| {
        let answer = irongate.ask(user, method, target, None);
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{user} {method} {target}: {answer:?}");
        answer
    };
    check("", "GET", "/v1", 200, "");
    check("", "OPTIONS", "/v1/lookup", 200, "");
    check("", "OPTIONS", "/v1/nodes/n/states/power", 200, "");
    let before = ironic.arrived().len();
    let answers: Vec<Answer> = [
        ("", "GET", "/v1/nodes"),
        ("admin", "GET", "/v1/nodes"),
        ("admin", "DELETE", "/v1/nodes/n"),
        ("nobody", "GET", "/v1/nodes"),
        ("", "OPTIONS", "/v1/nodes"),
        ("admin", "PUT", "/v1/nodes"),
        ("admin", "GET", "/v1/nodes?unknown=1"),
        ("admin", "GET", "/v1/nodes/"),
    ]
    .into_iter()
    .map(|(user, method, target)| check(user, method, target, 404, "not_served_here"))
    .collect();
    for answer in &answers {
        assert_eq!(answer.header("www-authenticate"), None);
        assert_eq!(answer.header("allow"), None);
    }
    // It sounds as what is nowhere.
    let unknown = check("admin", "GET", "/v1/nowhere", 404, "unknown_route");
    assert!(answers.iter().all(|answer| answer.faultstring() == unknown.faultstring()), "{}", unknown.faultstring());
    assert_eq!(ironic.arrived().len(), before, "nothing of it reached Ironic");
    let record = irongate.records(5).into_iter().find(|record| record["reason"] == "not_served_here").unwrap();
    assert_eq!(record["stage"], "listener");
    assert_eq!(record["principal"], serde_json::Value::Null);

    // The other listener of the same process serves all.
    let ListenAddress::Tcp(open) = irongate.server.addresses[1] else { panic!("TCP") };
    let credential = basic("admin", PASSWORD);
    let request = format!("GET /v1/nodes HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{credential}\r\n");
    assert_eq!(send(open, request.as_bytes()).status, 200);

    // A reload changes it.
    irongate.reload(|text| text.replace("\"node:set_power_state\"]", "\"node:list\"]"));
    check("admin", "GET", "/v1/nodes", 200, "");
    check("", "OPTIONS", "/v1/nodes/n/states/power", 404, "not_served_here");
}

#[test]
fn a_unix_socket_is_a_listener_like_others() {
    let ironic = FakeIronic::plain();
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("irongate.sock");
    let second = format!(
        "[[listener]]\nname = \"local\"\naddress = \"unix:{}\"\nschemes = [\"basic\"]\noperations = [\"node:list\"]\n\
         [[binding]]\nname = \"inside\"\nrole = \"auditor\"\nauthenticated = true\nsource_networks = [\"0.0.0.0/0\", \"::/0\"]\n",
        socket.display()
    );
    let irongate = Irongate::start_with(&ironic.endpoint(), "", &second);
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    let ask = |target: &str, headers: &str| {
        let mut stream = UnixStream::connect(&socket).unwrap();
        let request = format!("GET {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        parse(&answer)
    };
    assert_eq!(ask("/v1/nodes", &basic("admin", PASSWORD)).status, 200);
    let answer = ask("/v1/nodes", "");
    assert_eq!((answer.status, answer.code().as_str()), (401, "credential_missing"));
    let answer = ask("/v1/ports", &basic("admin", PASSWORD));
    assert_eq!((answer.status, answer.code().as_str()), (404, "not_served_here"));
    let record = &irongate.records(1)[0];
    assert_eq!(
        record["principal"]["bindings"],
        serde_json::json!(["admin-2"]),
        "a caller without an address is in no network"
    );
}

#[test]
fn connections_from_elsewhere_are_closed() {
    let ironic = FakeIronic::plain();
    let request = b"GET /v1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let closed =
        Irongate::start_with(&ironic.endpoint(), "", "source_networks = [\"192.0.2.0/24\", \"2001:db8::/32\"]");
    assert_eq!(send(closed.address, request).status, 0);
    assert_eq!(closed.log(), "");
    assert!(ironic.arrived().is_empty());

    let open = Irongate::start_with(&ironic.endpoint(), "", "source_networks = [\"127.0.0.0/8\"]");
    assert_eq!(send(open.address, request).status, 200);
    // A connection that lasts is judged by what holds now.
    let mut stream = TcpStream::connect(open.address).unwrap();
    let mut ask = || {
        stream.write_all(b"GET /v1 HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        let mut answer = vec![0; 65536];
        let count = stream.read(&mut answer).unwrap();
        parse(&answer[..count])
    };
    assert_eq!(ask().status, 200);
    open.reload(|text| text.replace("127.0.0.0/8", "192.0.2.0/24"));
    let answer = ask();
    assert_eq!((answer.status, answer.code().as_str()), (403, "source_not_admitted"), "{answer:?}");
    assert_eq!(answer.header("connection").as_deref(), Some("close"));
}

/// What is in the listener's table, and a word of the remedy.
#[test]
fn what_does_not_fit_is_a_configuration_error() {
    let check = |listener: &str, schemes: &str, remedy: &str| {
        let directory = tempfile::tempdir().unwrap();
        irongate::certs::dev(directory.path(), &[], 1, false).unwrap();
        let file = crate::support::configuration_with(directory.path(), "unix:ironic.sock", "", listener);
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("[\"basic\", \"anonymous\"]", schemes)).unwrap();
        let errors = config::load(&file).map(|_config| ()).unwrap_err();
        let shown: String = errors.iter().map(|error| format!("{error}\n")).collect();
        assert!(shown.contains(remedy) && errors.iter().all(|error| error.line.is_some()), "{listener}: {shown}");
    };
    let usual = "[\"basic\", \"anonymous\"]";
    let tls =
        |more: &str| format!("\n[listener.tls]\ncertificate_file = \"server.crt\"\nkey_file = \"server.key\"\n{more}");
    check("operations = []", usual, "operations is empty");
    check("operations = [\"node:gte\"]", usual, "irongate routes");
    check("operations = [\"Ramdisk\"]", usual, "no operation and no group");
    check("source_networks = []", usual, "would match nobody");
    check("source_networks = [\"10.0.0.1/8\"]", usual, "write 10.0.0.0/8");
    check("", "[\"certificate\"]", "client_certificates and client_ca_file");
    check("", "[\"jwt\"]", "[[authentication.jwt]]");
    check("", "[\"basic\", \"basic\"]", "listed twice");
    check(&tls("client_ca_file = \"ca.crt\""), usual, "go with client_certificates");
    check(&tls("client_certificates = \"required\""), usual, "needs client_ca_file");
    check(&tls("client_certificates = \"always\""), usual, "`optional` or `required`");
    check(&tls("client_certificates = \"required\"\nclient_ca_file = \"none.crt\""), usual, "none.crt");
    check(&tls("client_certificates = \"required\"\nclient_ca_file = \"server.key\""), usual, "server.key");
    let both = |listed| tls(&format!("client_certificates = \"{listed}\"\nclient_ca_file = \"ca.crt\""));
    check(&format!("{}\nclient_crl_file = \"ca.crt\"", both("required")), usual, "revocation list");
    check(&both("required"), "[\"certificate\", \"basic\"]", "\"optional\"");
    check(&both("optional"), "[\"certificate\"]", "\"required\"");
}

//! Reload and drain.

use std::time::Duration;

use crate::support::client::pause;
use crate::support::{FakeIronic, Irongate, json};

#[test]
fn a_reload_swaps_everything_or_nothing() {
    let ironic = FakeIronic::plain();
    let irongate = Irongate::start(&ironic, "");
    let file = irongate.directory.path().join("irongate.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    assert_eq!(irongate.ask("auditor", "DELETE", "/v1/nodes/n", None).status, 403);

    // Broken: the old one stays.
    std::fs::write(&file, good.replace("role = \"auditor\"", "rolle = \"auditor\"")).unwrap();
    let errors = irongate.server.current.reload().unwrap_err();
    assert!(errors[0].to_string().contains("rolle"), "{errors:?}");
    assert_eq!(irongate.ask("auditor", "DELETE", "/v1/nodes/n", None).status, 403);

    // Good: the auditor becomes an admin, and the record tells the other revision.
    std::fs::write(&file, good.replace("role = \"auditor\"", "role = \"admin\"")).unwrap();
    irongate.server.current.reload().unwrap();
    assert_eq!(irongate.ask("auditor", "GET", "/v1/nodes/n", None).status, 200);
    let records = irongate.records(3);
    assert_eq!(records[0]["revision"], records[1]["revision"]);
    assert_ne!(records[1]["revision"], records[2]["revision"]);
    assert_eq!(records[2]["principal"]["roles"][0], "admin");
}

#[test]
fn a_drain_finishes_what_runs() {
    let ironic = FakeIronic::start(|_| {
        pause(Duration::from_millis(400));
        json("200 OK", "{}")
    });
    let irongate = Irongate::start(&ironic, "");
    std::thread::scope(|scope| {
        let running = scope.spawn(|| irongate.ask("admin", "GET", "/v1/nodes", None).status);
        pause(Duration::from_millis(150));
        irongate.server.drain();
        assert_eq!(running.join().unwrap(), 200);
    });
    irongate.server.wait();
    assert!(std::net::TcpStream::connect(irongate.address).is_err());
    assert_eq!(irongate.records(1)[0]["outcome"], "complete");
}

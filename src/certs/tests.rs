use std::os::unix::fs::MetadataExt as _;

use tempfile::TempDir;

use super::*;
use crate::tls::{CertificatePem, ClientCertificates, ClientTls, KeyPem, ServerTls, client_config, server_config};

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// The names of written files.
fn written(made: &DevCertificates) -> Vec<String> {
    made.written.iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

const ALL: [&str; 6] = ["ca.crt", "ca.key", "server.crt", "server.key", "client.crt", "client.key"];
const LEAVES: [&str; 4] = ["server.crt", "server.key", "client.crt", "client.key"];
const SERVER: [&str; 2] = ["server.crt", "server.key"];

#[test]
fn what_is_good_is_kept() {
    let directory = TempDir::new().unwrap();
    let there = directory.path().join("a/b");
    let check = |wanted: &[&str], days: u32, force: bool, expected: &[&str]| {
        let made = dev(&there, &names(wanted), days, force).unwrap();
        assert_eq!(written(&made), expected, "{wanted:?}");
        assert_eq!(made.written.len() + made.kept.len(), 6);
        assert_eq!(made.to_string().lines().count(), 6);
    };
    let mode = |name: &str| fs::metadata(there.join(name)).unwrap().mode() & 0o777;
    check(&["ironic.example"], 30, false, &ALL);
    assert_eq!(mode(""), 0o700);
    for name in ["ca", "server", "client"] {
        assert_eq!(mode(&format!("{name}.key")), 0o600);
    }
    check(&["ironic.example"], 30, false, &[]);
    check(&["IRONIC.example"], 1, false, &[]);
    check(&[], 30, false, &[]);
    check(&["192.0.2.7", "*.ironic.example"], 30, false, &SERVER);
    check(&["192.0.2.7"], 30, false, &[]);
    // A key that everybody could read is closed again.
    fs::set_permissions(there.join("ca.key"), fs::Permissions::from_mode(0o644)).unwrap();
    check(&[], 30, false, &[]);
    assert_eq!(mode("ca.key"), 0o600);
    // A key of another certificate; then a CA of another key.
    fs::copy(there.join("client.key"), there.join("server.key")).unwrap();
    check(&[], 30, false, &SERVER);
    fs::copy(there.join("client.key"), there.join("ca.key")).unwrap();
    check(&[], 30, false, &ALL);
    check(&[], 30, true, &ALL);
    for name in LEAVES {
        fs::remove_file(there.join(name)).unwrap();
    }
    check(&[], 30, false, &LEAVES);
    assert_eq!(fs::read_dir(&there).unwrap().count(), 6, "nothing else is left");
}

#[test]
fn what_is_expired_is_made_anew() {
    let directory = TempDir::new().unwrap();
    let there = directory.path();
    let past = Timestamp::now().as_second() - 60;
    let pair = |name| Pair::new(there, name);
    let mut made = DevCertificates { directory: there.to_owned(), written: Vec::new(), kept: Vec::new() };
    made.write(&pair("ca"), &authority(Timestamp::UNIX_EPOCH, past).unwrap()).map(|_ca| ()).unwrap();
    assert_eq!(written(&dev(there, &[], 30, false).unwrap()), ALL);
    let ca = pair("ca").read().unwrap().unwrap();
    let old = leaf(&ca, &server_names(&[]).unwrap(), ExtendedKeyUsagePurpose::ServerAuth, Timestamp::UNIX_EPOCH, past);
    made.write(&pair("server"), &old.unwrap()).map(|_server| ()).unwrap();
    assert_eq!(written(&dev(there, &[], 30, false).unwrap()), SERVER);
    // Never beyond the CA's own end.
    let server = |days| {
        let made = dev(there, &names(&[&format!("d{days}")]), days, false).unwrap();
        assert_eq!(written(&made), SERVER);
        pair("server").read().unwrap().unwrap().not_after()
    };
    assert_eq!(server(365), ca.not_after());
    assert!(server(2) < ca.not_after());
}

#[test]
fn what_is_not_ours_stays() {
    let directory = TempDir::new().unwrap();
    let there = directory.path();
    let foreign = rcgen::generate_simple_self_signed(names(&["localhost"])).unwrap();
    let check = |files: &[(&str, &str)], expected: CertsError| {
        for (name, text) in files {
            fs::write(there.join(name), text).unwrap();
        }
        let before = fs::read_dir(there).unwrap().count();
        assert_eq!(dev(there, &[], 30, false), Err(expected.clone()));
        assert!(!expected.to_string().contains("canary"));
        assert_eq!(fs::read_dir(there).unwrap().count(), before, "nothing is written");
        for (name, text) in files {
            assert_eq!(&fs::read_to_string(there.join(name)).unwrap(), text);
            fs::remove_file(there.join(name)).unwrap();
        }
    };
    let at = |name: &str| there.join(name);
    let (certificate, key) = (foreign.cert.pem(), foreign.signing_key.serialize_pem());
    let half = |present, missing| CertsError::Half { present: at(present), missing: at(missing) };
    for (crt, private) in [("ca.crt", "ca.key"), ("server.crt", "server.key"), ("client.crt", "client.key")] {
        check(&[(crt, &certificate), (private, &key)], CertsError::Foreign(at(crt)));
        check(&[(crt, "canary"), (private, &key)], CertsError::Foreign(at(crt)));
        check(&[(crt, &certificate), (private, "canary")], CertsError::Foreign(at(private)));
        check(&[(crt, &certificate)], half(crt, private));
        check(&[(private, &key)], half(private, crt));
    }
    fs::write(at("server.crt"), &certificate).unwrap();
    assert_eq!(written(&dev(there, &[], 30, true).unwrap()), ALL);
}

#[test]
fn what_cannot_be_made_is_refused() {
    let directory = TempDir::new().unwrap();
    let there = directory.path().join("none");
    let check = |wanted: &[&str], days: u32, expected: CertsError| {
        assert_eq!(dev(&there, &names(wanted), days, false), Err(expected));
        assert!(!there.exists());
    };
    check(&[], 0, CertsError::Days(0));
    check(&[], 3651, CertsError::Days(3651));
    for name in ["", "a b", "a..b", "-a", "a-", ".", "ä.example", "a.*", "10.0.0.0/8", "a\n", &"a".repeat(64)] {
        check(&[name], 1, CertsError::Name(name.to_owned()));
    }
    fs::write(&there, "a file").unwrap();
    let found = dev(&there, &[], 1, false).unwrap_err();
    assert!(matches!(found, CertsError::Io { .. }), "{found:?}");
}

#[test]
fn both_sides_of_tls_take_them() {
    let directory = TempDir::new().unwrap();
    let made = dev(directory.path(), &[], 30, false).unwrap();
    let pem = |name: &str| CertificatePem::read(&made.directory.join(name)).unwrap();
    let key = |name: &str| KeyPem::read(&made.directory.join(name)).unwrap();
    let mut server = ServerTls::new(pem("server.crt"), key("server.key"));
    server.client_certificates = Some(ClientCertificates { ca: pem("ca.crt"), crl: None, required: true });
    let certificate = Some((pem("client.crt"), key("client.key")));
    let client = ClientTls { ca: pem("ca.crt"), certificate, min_version: Default::default() };
    let mut server = rustls::ServerConnection::new(server_config(&server).unwrap().into()).unwrap();
    let name = "127.0.0.1".try_into().unwrap();
    let mut client = rustls::ClientConnection::new(client_config(&client).unwrap().into(), name).unwrap();
    let mut wire = Vec::new();
    while client.is_handshaking() || server.is_handshaking() {
        wire.clear();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut &*wire).unwrap();
        server.process_new_packets().unwrap();
        wire.clear();
        server.write_tls(&mut wire).unwrap();
        client.read_tls(&mut &*wire).unwrap();
        client.process_new_packets().unwrap();
    }
    assert_eq!(server.peer_certificates().map(<[_]>::len), Some(1));
}

#[test]
fn openssl_takes_them_strictly() {
    let directory = TempDir::new().unwrap();
    dev(directory.path(), &names(&["ironic.example"]), 30, false).unwrap();
    let check = |arguments: &[&str]| {
        let run = std::process::Command::new("openssl").args(arguments).current_dir(directory.path()).output();
        // A machine without openssl has nothing to say.
        let Ok(run) = run else { return };
        assert!(run.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&run.stderr));
    };
    let strict = ["verify", "-x509_strict", "-CAfile", "ca.crt", "-purpose"];
    check(&[&strict[..], &["sslserver", "-verify_hostname", "ironic.example", "server.crt"]].concat());
    check(&[&strict[..], &["sslserver", "-verify_ip", "::1", "server.crt"]].concat());
    check(&[&strict[..], &["sslclient", "client.crt"]].concat());
}

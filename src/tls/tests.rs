use rustls::pki_types::ServerName;
use rustls::{NamedGroup, PeerIncompatible, ProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_rustls::TlsConnector;

use super::authority::{Authority, certificate, key};
use super::*;

const SECOND: Duration = Duration::from_secs(5);

/// What both sides agreed on.
#[derive(Debug, PartialEq)]
struct Agreed {
    version: ProtocolVersion,
    group: NamedGroup,
    alpn: Alpn,
}

type Ends = (Result<Agreed, HandshakeError>, Result<(), rustls::Error>);

/// A real handshake and an echo over it.
async fn shake(server: ServerConfig, client: ClientConfig) -> Ends {
    let (near, far): (DuplexStream, DuplexStream) = tokio::io::duplex(65536);
    let acceptor = TlsAcceptor::from(Arc::new(server));
    let serve = async {
        let (mut stream, alpn) = accept(&acceptor, near, SECOND).await?;
        let (_, connection) = stream.get_ref();
        let version = connection.protocol_version().unwrap();
        let group = connection.negotiated_key_exchange_group().unwrap().name();
        let mut word = [0; 4];
        if stream.read_exact(&mut word).await.is_ok() {
            stream.write_all(&word).await.unwrap();
        }
        Ok(Agreed { version, group, alpn })
    };
    let call = async {
        let name = ServerName::try_from("localhost").unwrap();
        let of = |error: io::Error| error.get_ref().unwrap().downcast_ref::<rustls::Error>().unwrap().clone();
        let mut stream = TlsConnector::from(Arc::new(client)).connect(name, far).await.map_err(of)?;
        stream.write_all(b"ping").await.unwrap();
        let mut word = [0; 4];
        stream.read_exact(&mut word).await.map_err(of)?;
        assert_eq!(&word, b"ping");
        Ok(())
    };
    tokio::join!(serve, call)
}

#[tokio::test]
async fn agreement_is_modern() {
    let authority = Authority::new();
    let check = async |change: fn(&mut ServerTls, &mut ClientTls), tune: fn(&mut ClientConfig), expected| {
        let (mut server, mut client) = (authority.server(), authority.client());
        change(&mut server, &mut client);
        let mut client = client_config(&client).unwrap();
        tune(&mut client);
        let (served, called) = shake(server_config(&server).unwrap(), client).await;
        assert_eq!((served, called), (Ok(expected), Ok(())));
    };
    let agreed = |version, group, alpn| Agreed { version, group, alpn };
    let (v12, v13) = (ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3);
    let (hybrid, x25519) = (NamedGroup::X25519MLKEM768, NamedGroup::X25519);

    check(|_, _| {}, |_| {}, agreed(v13, hybrid, Alpn::Http11)).await;
    let both = |client: &mut ClientConfig| client.alpn_protocols = vec![b"http/1.1".to_vec(), b"h2".to_vec()];
    check(|_, _| {}, both, agreed(v13, hybrid, Alpn::H2)).await;
    check(|server, _| server.alpn = vec![Alpn::Http11], both, agreed(v13, hybrid, Alpn::Http11)).await;
    check(|_, _| {}, |client| client.alpn_protocols.clear(), agreed(v13, hybrid, Alpn::Http11)).await;
    let lower = |server: &mut ServerTls, client: &mut ClientTls| {
        (server.min_version, client.min_version) = (TlsVersion::V1_2, TlsVersion::V1_2);
    };
    check(lower, |_| {}, agreed(v13, hybrid, Alpn::Http11)).await;
    assert_eq!(provider().kx_groups[0].name(), hybrid);

    // A caller of 1.2 only, where it is configured; one without the hybrid group.
    let (mut server, roots) = (authority.server(), roots(&authority.ca()).unwrap());
    server.min_version = TlsVersion::V1_2;
    let old = of_version(&rustls::version::TLS12, provider(), roots.clone());
    assert_eq!(shake(server_config(&server).unwrap(), old).await.0, Ok(agreed(v12, x25519, Alpn::Http11)));
    let classic = CryptoProvider { kx_groups: vec![kx_group::X25519], ..aws_lc_rs::default_provider() };
    let classic = of_version(&rustls::version::TLS13, Arc::new(classic), roots);
    let (served, _) = shake(server_config(&authority.server()).unwrap(), classic).await;
    assert_eq!(served, Ok(agreed(v13, x25519, Alpn::Http11)));
}

fn of_version(
    version: &'static SupportedProtocolVersion,
    provider: Arc<CryptoProvider>,
    roots: RootCertStore,
) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
    builder.with_root_certificates(roots).with_no_client_auth()
}

#[tokio::test]
async fn disagreement_is_refused() {
    let authority = Authority::new();
    let server = || server_config(&authority.server()).unwrap();
    let client = || client_config(&authority.client()).unwrap();

    let old = of_version(&rustls::version::TLS12, provider(), roots(&authority.ca()).unwrap());
    let (served, called) = shake(server(), old).await;
    let refused = rustls::Error::PeerIncompatible(PeerIncompatible::SupportedVersionsExtensionRequired);
    assert!(matches!(served, Err(HandshakeError::Tls(_))), "{served:?}");
    assert!(served == Err(HandshakeError::Tls(refused)) || called.is_err());

    let mut odd = client();
    odd.alpn_protocols = vec![b"spdy/3".to_vec()];
    let (served, _) = shake(server(), odd).await;
    assert_eq!(served, Err(HandshakeError::Tls(rustls::Error::NoApplicationProtocol)));

    let stranger = client_config(&Authority::new().client()).unwrap();
    let (served, called) = shake(server(), stranger).await;
    assert!(matches!(served, Err(HandshakeError::Tls(rustls::Error::AlertReceived(_)))), "{served:?}");
    assert!(matches!(called, Err(rustls::Error::InvalidCertificate(_))), "{called:?}");
}

#[tokio::test]
async fn client_certificates_are_asked_for() {
    let authority = Authority::new();
    let other = Authority::new();
    let check = async |required: Option<bool>, certificate, served: bool| {
        let mut server = authority.server();
        server.client_certificates =
            required.map(|required| ClientCertificates { ca: authority.ca(), crl: None, required });
        let client = ClientTls { certificate, ..authority.client() };
        let found = shake(server_config(&server).unwrap(), client_config(&client).unwrap()).await;
        assert_eq!(found.0.is_ok() && found.1.is_ok(), served, "{found:?}");
        found.0
    };
    let own = || Some(authority.issue(2020, 2090));
    let _ok = check(None, None, true).await;
    let _ok = check(Some(false), None, true).await;
    let _ok = check(Some(false), own(), true).await;
    let _ok = check(Some(true), own(), true).await;
    assert_eq!(check(Some(true), None, false).await, Err(HandshakeError::Tls(rustls::Error::NoCertificatesPresented)));
    for required in [false, true] {
        let found = check(Some(required), Some(other.issue(2020, 2090)), false).await;
        assert!(matches!(found, Err(HandshakeError::Tls(rustls::Error::InvalidCertificate(_)))));
    }
}

#[tokio::test]
async fn a_silent_or_absent_caller_is_let_go() {
    let acceptor = TlsAcceptor::from(Arc::new(server_config(&Authority::new().server()).unwrap()));
    let check = async |caller: Option<&[u8]>, expected: &str| {
        let (near, mut far) = tokio::io::duplex(1024);
        if let Some(bytes) = caller {
            far.write_all(bytes).await.unwrap();
        }
        let open = (caller.is_none()).then_some(far);
        let found = accept(&acceptor, near, Duration::from_millis(20)).await.map(|_stream| ()).unwrap_err();
        assert_eq!(found.code(), expected, "{found:?}");
        drop(open);
    };
    check(None, "handshake_deadline").await;
    check(Some(b""), "handshake_closed").await;
    check(Some(b"GET / HTTP/1.1\r\n\r\n"), "handshake_refused").await;
}

#[test]
fn files_are_checked_when_they_are_loaded() {
    let authority = Authority::new();
    let check = |certificate: CertificatePem, key: KeyPem, expected: TlsError| {
        let secret = key_text(&key);
        let found = server_config(&ServerTls::new(certificate, key)).map(|_config| ()).unwrap_err();
        let shown = format!("{found} {found:?}");
        assert!(!secret.lines().any(|line| line.len() > 20 && shown.contains(line)), "{shown}");
        assert_eq!(found, expected, "{shown}");
    };
    let file = || "server.crt".to_owned();
    let key_file = || "server.key".to_owned();
    let good = || authority.issue(2020, 2090);
    let date = |text: &str| text.parse().unwrap();
    let text = |certificate: &CertificatePem| String::from_utf8(certificate.pem.clone()).unwrap();

    let (old, old_key) = authority.issue(2020, 2021);
    let expired = TlsError::Expired { file: file(), not_after: date("2021-01-01T00:00:00Z") };
    assert_eq!(expired.to_string(), "server.crt: a certificate expired at 2021-01-01T00:00:00Z: renew it");
    check(old.clone(), old_key, expired.clone());
    let (young, young_key) = authority.issue(2089, 2090);
    check(young, young_key, TlsError::NotYetValid { file: file(), not_before: date("2089-01-01T00:00:00Z") });
    // An intermediate that expired.
    let (leaf, leaf_key) = good();
    check(certificate("server.crt", &format!("{}{}", text(&leaf), text(&old))), leaf_key, expired);

    check(good().0, good().1, TlsError::Mismatch { certificate: file(), key: key_file() });
    check(certificate("server.crt", ""), good().1, TlsError::NoCertificate { file: file() });
    let (_, swapped) = good();
    check(certificate("server.crt", &key_text(&swapped)), good().1, TlsError::NoCertificate { file: file() });
    check(good().0, key(&text(&good().0)), TlsError::NoKey { file: key_file() });
    check(good().0, key(""), TlsError::NoKey { file: key_file() });
    let block = |name: &str| format!("-----BEGIN {name}-----\nAAAA\n-----END {name}-----\n");
    check(good().0, key(&block("ENCRYPTED PRIVATE KEY")), TlsError::EncryptedKey { file: key_file() });
    let twice = key_text(&good().1) + &key_text(&good().1);
    check(good().0, key(&twice), TlsError::SeveralKeys { file: key_file() });
    let cut = key_text(&good().1).replace("-----END PRIVATE KEY-----", "");
    check(good().0, key(&cut), TlsError::BadPem { file: key_file() });
    check(good().0, key(&block("PRIVATE KEY")), TlsError::BadKey { file: key_file() });
    check(certificate("server.crt", &block("CERTIFICATE")), good().1, TlsError::BadCertificate { file: file() });

    let missing = CertificatePem::read(std::path::Path::new("no-such-directory/a.crt")).map(|_pem| ()).unwrap_err();
    let kind = io::ErrorKind::NotFound;
    assert_eq!(missing, TlsError::Unreadable { file: "no-such-directory/a.crt".to_owned(), kind });
}

#[test]
fn an_expired_ca_is_not_trusted() {
    let authority = Authority::new();
    let (old, _) = authority.issue(2020, 2021);
    let client = |ca| client_config(&ClientTls { ca, certificate: None, min_version: TlsVersion::V1_3 }).map(|_| ());
    assert!(matches!(client(old.clone()), Err(TlsError::Expired { .. })));
    let mut bundle = authority.ca();
    bundle.pem.extend(old.pem);
    assert_eq!(client(bundle), Ok(()));
    assert_eq!(client(certificate("ca.crt", "")), Err(TlsError::NoCertificate { file: "ca.crt".to_owned() }));
}

#[test]
fn versions_are_spelled_as_people_do() {
    let check = |text: &str, expected: Option<TlsVersion>| {
        let found = serde_json::from_str(&format!("\"{text}\"")).ok();
        assert_eq!(found, expected, "{text}");
    };
    check("1.3", Some(TlsVersion::V1_3));
    check("1.2", Some(TlsVersion::V1_2));
    check("1.1", None);
    check("TLSv1.3", None);
}

/// What holds keys has no `Debug`: the inherent constant is taken only where there is one.
#[test]
fn keys_cannot_be_printed() {
    trait Silent {
        const PRINTS: bool = false;
    }
    struct Probe<T>(std::marker::PhantomData<T>);
    impl<T> Silent for Probe<T> {}
    impl<T: std::fmt::Debug> Probe<T> {
        const PRINTS: bool = true;
    }
    const { assert!(Probe::<TlsError>::PRINTS, "the probe works") };
    const { assert!(!Probe::<KeyPem>::PRINTS) };
    const { assert!(!Probe::<ServerTls>::PRINTS) };
    const { assert!(!Probe::<ClientTls>::PRINTS) };
}

fn key_text(key: &KeyPem) -> String {
    String::from_utf8(super::pem::text(key).to_vec()).unwrap()
}

//! Keystone behind https: whom irongate takes for it.

use tokio_rustls::TlsAcceptor;

use super::*;
use crate::tls::authority::Authority;
use crate::tls::{CertificatePem, ClientTls, ServerTls, TlsVersion, client_config, server_config};

fn acceptor(server: &ServerTls) -> Option<TlsAcceptor> {
    Some(TlsAcceptor::from(Arc::new(server_config(server).unwrap())))
}

/// Asks the Keystone at `https://NAME:PORT`.
async fn asked(name: &str, fake: &Fake, ca: CertificatePem) -> Result<Principal, AuthnError> {
    let tls = client_config(&ClientTls { ca, certificate: None, min_version: TlsVersion::V1_3 }).unwrap();
    let url = format!("https://{name}:{}/v3", fake.address.port());
    let keystone = KeystoneConfig::new(&url, Some(Arc::new(tls)), Duration::from_secs(2)).unwrap();
    let config = AuthenticatorConfig { keystone: Some(keystone), ..AuthenticatorConfig::default() };
    ask_token(&Authenticator::new(config).unwrap(), &token(1)).await
}

#[tokio::test]
async fn only_the_configured_cas_keystone_gets_tokens() {
    let (ours, other) = (Authority::new(), Authority::new());
    let row = async |named: &str, host: &str, server: ServerTls, ca: &Authority, expected| {
        let fake = Fake::behind(good(), acceptor(&server)).await;
        let found = asked(host, &fake, ca.ca()).await;
        if let Err(error) = &found {
            assert_eq!((error.status(), error.retry_after()), (StatusCode::SERVICE_UNAVAILABLE, Some(2)), "{named}");
            assert_eq!(fake.calls(), 0, "{named}: no token left irongate");
        }
        check(named, found, expected);
    };
    let untrusted = Err(KeystoneError::Untrusted);
    row("the right one", "localhost", ours.server_named("localhost"), &ours, Ok(())).await;
    row("by address", "127.0.0.1", ours.server_named("127.0.0.1"), &ours, Ok(())).await;
    row("another CA's", "localhost", other.server_named("localhost"), &ours, untrusted).await;
    row("another name's", "localhost", ours.server_named("keystone.example"), &ours, untrusted).await;
    row("a name's, for an address", "127.0.0.1", ours.server_named("localhost"), &ours, untrusted).await;
    row("a name below", "localhost", ours.server_named("*.localhost"), &ours, untrusted).await;
}

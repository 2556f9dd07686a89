//! Development certificates: a CA of one's own and a server's and a client's certificate from it.
//!
//! For machines where nobody else's traffic goes: the CA's key lies beside the certificates. What is there and good is
//! kept, so that running it twice changes nothing; what it did not make itself is never overwritten without being asked.

use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use secrecy::zeroize::Zeroizing;
use thiserror::Error;

use existing::{Existing, Pair};

mod existing;

#[cfg(test)]
mod tests;

/// What the CA's common name begins with. By it, certificates that were made here are told from others.
const CA_NAME: &str = "irongate development CA";
/// The client's SPIFFE id and DNS name.
const CLIENT_URI: &str = "spiffe://irongate.dev/nova-compute";
const CLIENT_DNS: &str = "nova-compute.irongate.dev";
/// What every server certificate is for.
const SERVER_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// Ten years.
const DAYS_MAX: u32 = 3650;
const DAY: Duration = Duration::from_secs(86_400);
/// How far back validity begins, for machines whose clocks differ.
const BACKDATED: Duration = Duration::from_secs(3600);

/// The files of a directory.
#[derive(Debug, PartialEq, Eq)]
pub struct DevCertificates {
    /// Where they are.
    pub directory: PathBuf,
    /// The files that were written now.
    pub written: Vec<PathBuf>,
    /// The files that were good and stay.
    pub kept: Vec<PathBuf>,
}

/// Why no certificates are made. Nothing is written where one is found beforehand.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the fields are files' names and what the message says about them")]
pub enum CertsError {
    /// A validity outside 1..=3650 days.
    #[error("{0} days are not in 1..=3650")]
    Days(u32),
    /// A name that is no DNS name or address.
    #[error("{0:?} is neither a DNS name nor an address")]
    Name(String),
    /// One file of a pair.
    #[error("{}: is there without {}: restore the one, remove the other, or replace all with --force", present.display(), missing.display())]
    Half { present: PathBuf, missing: PathBuf },
    /// A certificate or key from elsewhere, or a damaged one.
    #[error("{}: was not made by `irongate certs dev`: name another directory, or replace it with --force", .0.display())]
    Foreign(PathBuf),
    /// A file or directory that cannot be read or written.
    #[error("{}: {kind}", file.display())]
    Io { file: PathBuf, kind: io::ErrorKind },
    /// The cryptographic library failed.
    #[error("the cryptographic library cannot make a certificate")]
    Generate,
}

/// Makes `ca`, `server` and `client`, each `.crt` and `.key`, in a directory, which is created (mode 0700) if need be.
/// The server's certificate is for `localhost`, `127.0.0.1`, `::1` and `names`. Keys are ECDSA P-256, mode 0600.
///
/// Good pairs that are there stay; with `force` they, and whatever else has their file names, are replaced.
///
/// # Errors
/// See [`CertsError`].
pub fn dev(directory: &Path, names: &[String], days: u32, force: bool) -> Result<DevCertificates, CertsError> {
    if !(1..=DAYS_MAX).contains(&days) {
        return Err(CertsError::Days(days));
    }
    let server_names = server_names(names)?;
    let client_names = [SanType::URI(ia5(CLIENT_URI)?), SanType::DnsName(ia5(CLIENT_DNS)?)];
    let now = Timestamp::now();
    let end = now.as_second().saturating_add((DAY * days).as_secs().cast_signed());

    // Everything that is there is looked at before anything is written.
    let pair = |name: &str| Pair::new(directory, name);
    let (ca, server, client) = (pair("ca"), pair("server"), pair("client"));
    let look = |pair: &Pair| if force { Ok(None) } else { pair.read() };
    let (ca_there, server_there, client_there) = (look(&ca)?, look(&server)?, look(&client)?);

    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(|error| io_error(directory, &error))?;
    let mut made = DevCertificates { directory: directory.to_owned(), written: Vec::new(), kept: Vec::new() };
    let ca_there = match ca_there.filter(|there| there.is_good(now)) {
        Some(there) => made.keep(&ca, there)?,
        None => made.write(&ca, &authority(now, end)?)?,
    };
    let end = end.min(ca_there.not_after());
    for (pair, there, names, usage) in [
        (&server, server_there, server_names.as_slice(), ExtendedKeyUsagePurpose::ServerAuth),
        (&client, client_there, client_names.as_slice(), ExtendedKeyUsagePurpose::ClientAuth),
    ] {
        let good = |there: &Existing| there.is_good(now) && there.is_issued_by(&ca_there) && there.is_for(names);
        match there.filter(good) {
            Some(there) => made.keep(pair, there)?,
            None => made.write(pair, &leaf(&ca_there, names, usage, now, end)?)?,
        };
    }
    Ok(made)
}

/// A certificate and its key, new.
struct Issued {
    certificate: String,
    key: Zeroizing<String>,
}

impl fmt::Display for DevCertificates {
    /// A line for each file.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = self.written.iter().map(|file| ("wrote", file));
        for (what, file) in written.chain(self.kept.iter().map(|file| ("kept ", file))) {
            writeln!(formatter, "{what} {}", file.display())?;
        }
        Ok(())
    }
}

impl DevCertificates {
    fn keep(&mut self, pair: &Pair, there: Existing) -> Result<Existing, CertsError> {
        let private = fs::Permissions::from_mode(0o600);
        fs::set_permissions(&pair.key, private).map_err(|error| io_error(&pair.key, &error))?;
        self.kept.extend([pair.certificate.clone(), pair.key.clone()]);
        Ok(there)
    }

    fn write(&mut self, pair: &Pair, issued: &Issued) -> Result<Existing, CertsError> {
        write(&pair.key, &issued.key, 0o600)?;
        write(&pair.certificate, &issued.certificate, 0o644)?;
        self.written.extend([pair.certificate.clone(), pair.key.clone()]);
        pair.read()?.ok_or(CertsError::Generate)
    }
}

/// A CA that issues end certificates only.
fn authority(now: Timestamp, end: i64) -> Result<Issued, CertsError> {
    let key = KeyPair::generate().map_err(|_error| CertsError::Generate)?;
    let mut params = params(now, end);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    // Two CAs of one name and different keys confuse who holds both.
    let tail = params.key_identifier(&key).iter().take(4).fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    params.distinguished_name.push(DnType::CommonName, format!("{CA_NAME} {tail}"));
    let certificate = params.self_signed(&key).map_err(|_error| CertsError::Generate)?;
    Ok(Issued { certificate: certificate.pem(), key: Zeroizing::new(key.serialize_pem()) })
}

fn leaf(
    ca: &Existing,
    names: &[SanType],
    usage: ExtendedKeyUsagePurpose,
    now: Timestamp,
    end: i64,
) -> Result<Issued, CertsError> {
    let generate = |_error| CertsError::Generate;
    let issuer = Issuer::from_ca_cert_pem(ca.certificate(), ca.key()?).map_err(generate)?;
    let key = KeyPair::generate().map_err(generate)?;
    let mut params = params(now, end);
    let name = if usage == ExtendedKeyUsagePurpose::ServerAuth { "irongate" } else { CLIENT_DNS };
    params.distinguished_name.push(DnType::CommonName, name);
    params.subject_alt_names = names.to_vec();
    // Explicit, because only then the subject key identifier is written, which strict verifiers want.
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    let certificate = params.signed_by(&key, &issuer).map_err(generate)?;
    Ok(Issued { certificate: certificate.pem(), key: Zeroizing::new(key.serialize_pem()) })
}

/// `end` is in seconds since 1970.
fn params(now: Timestamp, end: i64) -> CertificateParams {
    let time = |second: i64| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(second.max(0).cast_unsigned());
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.not_before = time(now.as_second().saturating_sub_unsigned(BACKDATED.as_secs()));
    params.not_after = time(end);
    params
}

fn server_names(names: &[String]) -> Result<Vec<SanType>, CertsError> {
    let mut found = Vec::new();
    for name in SERVER_NAMES.into_iter().chain(names.iter().map(String::as_str)) {
        let name = match name.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_error) if is_dns_name(name) => SanType::DnsName(ia5(&name.to_ascii_lowercase())?),
            Err(_error) => return Err(CertsError::Name(name.to_owned())),
        };
        if !found.contains(&name) {
            found.push(name);
        }
    }
    Ok(found)
}

/// Labels of letters, digits and hyphens; the first may be `*`.
fn is_dns_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.strip_prefix("*.").unwrap_or(name).split('.').all(label)
}

fn ia5(text: &str) -> Result<Ia5String, CertsError> {
    Ia5String::try_from(text).map_err(|_error| CertsError::Name(text.to_owned()))
}

/// Writes beside and renames, so that no reader sees half a file and no key is ever readable for others.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), CertsError> {
    let fresh = path.with_added_extension("new");
    let write = || {
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    };
    write().map_err(|error| io_error(path, &error))
}

fn io_error(file: &Path, error: &io::Error) -> CertsError {
    CertsError::Io { file: file.to_owned(), kind: error.kind() }
}

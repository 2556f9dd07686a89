//! Commands that read a secret from standard input.

use std::io::{IsTerminal, Read};
use std::path::Path;
use std::process::ExitCode;

use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

use super::{USAGE, print, say};
use crate::authenticate;
use crate::scrub::{self, HmacKey};

pub(super) fn hmac(key_file: &Path) -> ExitCode {
    let refuse = |message: String| {
        say(&format!("error: {message}"));
        ExitCode::from(USAGE)
    };
    let key = match std::fs::read(key_file) {
        Ok(bytes) => HmacKey::new(&bytes),
        Err(error) => return refuse(format!("{} cannot be read: {error}", key_file.display())),
    };
    let mut value = Vec::new();
    match (key, std::io::stdin().lock().read_to_end(&mut value)) {
        (Err(error), _) => refuse(format!("{}: {error}", key_file.display())),
        (Ok(_), Err(error)) => refuse(format!("standard input cannot be read: {error}")),
        (Ok(key), Ok(_)) => print(&format!("{}\n", key.text(scrub::line(&value)))),
    }
}

pub(super) fn htpasswd(name: &str, cost: u32) -> ExitCode {
    // A line that begins with # is a comment.
    if name.is_empty() || name.starts_with('#') || !name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':') {
        say("error: a user's name is made of visible ASCII characters other than the colon, and begins with no #");
        return ExitCode::from(USAGE);
    }
    if std::io::stdin().is_terminal() {
        say("password (it will be seen while you type):");
    }
    let mut password = Zeroizing::new(String::new());
    if std::io::stdin().read_line(&mut password).is_err() {
        say("error: standard input is not text");
        return ExitCode::from(USAGE);
    }
    let password = SecretString::from(password.trim_end_matches(['\n', '\r']));
    match authenticate::hash(&password, cost) {
        Ok(hash) => print(&format!("{name}:{hash}\n")),
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::from(USAGE)
        }
    }
}

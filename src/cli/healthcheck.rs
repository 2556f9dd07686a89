//! `irongate healthcheck`: asks a running irongate on this machine, for probes in images without a shell.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use super::{FINDINGS, print, say};

/// For connecting, and for each read.
const DEADLINE: Duration = Duration::from_secs(5);
/// So much of an answer is read.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// Asks `/readyz?verbose`, or `/livez` if `live`; 0 if the answer is 200, else 1.
pub(super) fn run(address: SocketAddr, live: bool) -> ExitCode {
    match ask(address, if live { "/livez" } else { "/readyz?verbose" }) {
        Ok((true, body)) => print(&body),
        Ok((false, body)) => {
            print(&body);
            ExitCode::from(FINDINGS)
        }
        Err(error) => {
            say(&format!("error: {address} does not answer: {}", error.kind()));
            ExitCode::from(FINDINGS)
        }
    }
}

fn ask(mut address: SocketAddr, path: &str) -> std::io::Result<(bool, String)> {
    // What listens everywhere listens here.
    if address.ip().is_unspecified() {
        let here: std::net::IpAddr =
            if address.is_ipv4() { std::net::Ipv4Addr::LOCALHOST.into() } else { std::net::Ipv6Addr::LOCALHOST.into() };
        address.set_ip(here);
    }
    let mut stream = TcpStream::connect_timeout(&address, DEADLINE)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    Ok((head.starts_with("HTTP/1.1 200 "), body.to_owned()))
}

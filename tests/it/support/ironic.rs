//! A fake Ironic on a unix socket: records requests, answers as it is told.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex};

/// What arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Arrived {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

type Answering = dyn Fn(&Arrived) -> Vec<u8> + Send + Sync;

pub struct FakeIronic {
    directory: tempfile::TempDir,
    arrived: Arc<Mutex<Vec<Arrived>>>,
}

/// A JSON answer as Ironic writes them.
pub fn json(status: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nX-OpenStack-Ironic-API-Version: 1.80\r\n\
         X-OpenStack-Ironic-API-Minimum-Version: 1.1\r\nX-OpenStack-Ironic-API-Maximum-Version: 1.115\r\n\
         Server: fake\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

impl FakeIronic {
    pub fn start(answering: impl Fn(&Arrived) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("ironic.sock")).unwrap();
        let arrived = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&arrived);
        let answering: Arc<Answering> = Arc::new(answering);
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let (seen, answering) = (Arc::clone(&seen), Arc::clone(&answering));
                std::thread::spawn(move || serve(stream, &seen, &*answering));
            }
        });
        Self { directory, arrived }
    }

    /// Answers every request with an empty object.
    pub fn plain() -> Self {
        Self::start(|_| json("200 OK", "{}"))
    }

    pub fn endpoint(&self) -> String {
        format!("unix:{}", self.directory.path().join("ironic.sock").display())
    }

    pub fn arrived(&self) -> Vec<Arrived> {
        self.arrived.lock().unwrap().clone()
    }
}

fn serve(stream: UnixStream, seen: &Mutex<Vec<Arrived>>, answering: &Answering) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    while let Some(request) = read(&mut reader) {
        seen.lock().unwrap().push(request.clone());
        let answer = answering(&request);
        // An empty answer hangs up.
        if answer.is_empty() || writer.write_all(&answer).is_err() {
            drop(writer.shutdown(std::net::Shutdown::Both));
            return;
        }
    }
}

fn read(reader: &mut impl BufRead) -> Option<Arrived> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let headers: Vec<_> = lines[1..]
        .iter()
        .filter_map(|line| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned())))
        .collect();
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let mut body = vec![0; length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some(Arrived { line: lines[0].clone(), headers, body })
}

//! Health on a listener of its own, loopback by default: it is for probes, not for callers.
//!
//! `/healthz`: the process answers. `/livez`: its workers come round too. `/readyz`: it serves and Ironic answers; `?verbose`
//! says which part is not ready. `/status`: what it is and does, as JSON. `/metrics`: what is counted ([`crate::metrics`]).

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::metrics::Metrics;
use crate::server::ACCEPT_PAUSE;

/// Connections at once; probes need few.
const CONNECTIONS_MAX: usize = 64;
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// For one request and its answer; a connection has no more.
const DEADLINE: Duration = Duration::from_secs(10);
/// The same while half of the connections are taken: who reads nothing must not keep probes waiting.
const DEADLINE_WHEN_CROWDED: Duration = Duration::from_secs(1);
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// One part of readiness.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// Its name in the verbose answer.
    pub name: &'static str,
    /// Whether it is ready.
    pub ready: bool,
    /// Whether the whole is not ready without it. Otherwise it is only told.
    pub needed: bool,
}

/// What the pages are made of, at the moment of asking.
pub struct Pages {
    /// Whether every worker comes round.
    pub alive: Box<dyn Fn() -> bool + Send + Sync>,
    /// The parts of readiness.
    pub checks: Box<dyn Fn() -> Vec<Check> + Send + Sync>,
    /// `/status` as JSON; `None` when there is nothing left to tell of.
    pub status: Box<dyn Fn() -> Option<String> + Send + Sync>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

impl std::fmt::Debug for Pages {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Pages").field("metrics", &self.metrics).finish_non_exhaustive()
    }
}

/// Serves the pages until the task is dropped.
pub async fn serve(listener: TcpListener, pages: Pages) {
    let pages = Arc::new(pages);
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // No file descriptors left, most likely: others get time to end.
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let crowded = permits.available_permits() < CONNECTIONS_MAX / 2;
        let deadline = if crowded { DEADLINE_WHEN_CROWDED } else { DEADLINE };
        let pages = Arc::clone(&pages);
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = answer(&request, &pages);
                async move { Ok::<_, Infallible>(answer) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service);
            drop(tokio::time::timeout(deadline, connection).await);
            drop(permit);
        });
    }
}

/// Binds the admin listener.
pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

fn answer<B>(request: &Request<B>, pages: &Pages) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
    }
    let verbose = request.uri().query().is_some_and(|query| query.split('&').any(|part| part == "verbose"));
    match request.uri().path() {
        "/healthz" => text(StatusCode::OK, "ok\n".to_owned()),
        "/livez" if (pages.alive)() => text(StatusCode::OK, "ok\n".to_owned()),
        "/livez" => text(StatusCode::SERVICE_UNAVAILABLE, "a worker hangs\n".to_owned()),
        "/readyz" => {
            let checks = (pages.checks)();
            let ready = checks.iter().all(|check| check.ready || !check.needed);
            let mut lines = String::new();
            if verbose {
                for check in &checks {
                    lines.push_str(match check {
                        Check { ready: true, .. } => "[+] ",
                        Check { needed: true, .. } => "[-] ",
                        Check { .. } => "[!] ",
                    });
                    lines.push_str(check.name);
                    lines.push('\n');
                }
            }
            lines.push_str(if ready { "ready\n" } else { "not ready\n" });
            text(if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, lines)
        }
        "/metrics" => {
            let mut response = text(StatusCode::OK, pages.metrics.text());
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(OPEN_METRICS));
            response
        }
        "/status" => match (pages.status)() {
            Some(status) => {
                let mut response = text(StatusCode::OK, status + "\n");
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                response
            }
            None => text(StatusCode::SERVICE_UNAVAILABLE, "irongate ends\n".to_owned()),
        },
        _ => text(StatusCode::NOT_FOUND, "known: /healthz /livez /readyz /status /metrics\n".to_owned()),
    }
}

fn text(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use http::Request;
    use http_body_util::BodyExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::{Check, Pages, answer};
    use crate::metrics::Metrics;

    fn pages(upstream: bool, reload: bool) -> Pages {
        let checks = move || {
            vec![
                Check { name: "serving", ready: true, needed: true },
                Check { name: "upstream", ready: upstream, needed: true },
                Check { name: "reload", ready: reload, needed: false },
            ]
        };
        let status = || Some("{}".to_owned());
        let alive = Box::new(|| true);
        Pages { alive, checks: Box::new(checks), status: Box::new(status), metrics: Arc::new(Metrics::new(1, &[])) }
    }

    #[test]
    fn a_worker_that_hangs_is_not_alive() {
        let request = |path: &str| Request::get(path).body(()).unwrap();
        let hanging = Pages { alive: Box::new(|| false), ..pages(true, true) };
        assert_eq!(answer(&request("/livez"), &hanging).status().as_u16(), 503);
        assert_eq!(answer(&request("/healthz"), &hanging).status().as_u16(), 200);
    }

    #[tokio::test]
    async fn who_reads_nothing_does_not_keep_others_out() {
        let listener = super::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let status = || Some("a".repeat(6 * 1024 * 1024));
        let serving = tokio::spawn(super::serve(listener, Pages { status: Box::new(status), ..pages(true, true) }));
        let mut stalling = Vec::new();
        for _ in 0..80 {
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            stream.write_all(b"GET /status HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
            stalling.push(stream);
        }
        let mut probe = tokio::net::TcpStream::connect(address).await.unwrap();
        probe.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let mut told = String::new();
        // To the end: a connection has one request.
        tokio::time::timeout(Duration::from_secs(60), probe.read_to_string(&mut told)).await.unwrap().unwrap();
        assert!(told.starts_with("HTTP/1.1 200"), "{told}");
        serving.abort();
    }

    #[test]
    fn readiness_is_all_of_its_needed_parts() {
        for (path, upstream, reload, status) in [
            ("/healthz", false, false, 200),
            ("/livez", false, false, 200),
            ("/readyz", true, true, 200),
            ("/readyz", true, false, 200),
            ("/readyz?verbose", false, true, 503),
            ("/metrics", true, true, 200),
            ("/status", false, false, 200),
            ("/metricz", true, true, 404),
        ] {
            let request = Request::get(path).body(()).unwrap();
            assert_eq!(answer(&request, &pages(upstream, reload)).status().as_u16(), status, "{path}");
        }
        let request = Request::post("/healthz").body(()).unwrap();
        assert_eq!(answer(&request, &pages(true, true)).status().as_u16(), 405);
    }

    #[tokio::test]
    async fn verbose_tells_which_part_is_not_ready() {
        let request = Request::get("/readyz?verbose").body(()).unwrap();
        let body = answer(&request, &pages(false, false)).into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, "[+] serving\n[-] upstream\n[!] reload\nnot ready\n");
    }
}

//! Health on a listener of its own, loopback by default: it is for probes, not for callers.
//!
//! `/healthz` and `/livez`: the process answers. `/readyz`: it serves and Ironic answers; `?verbose` says which part is
//! not ready. `/metrics`: what is counted ([`crate::metrics`]).

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

/// Connections at once; probes need few.
const CONNECTIONS_MAX: usize = 64;
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// One part of readiness.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// Its name in the verbose answer.
    pub name: &'static str,
    /// Whether it is ready.
    pub ready: bool,
}

/// Serves health until the task is dropped. `checks` tells the parts of readiness at that moment.
pub async fn serve<F>(listener: TcpListener, checks: F, metrics: Arc<Metrics>)
where
    F: Fn() -> Vec<Check> + Send + Sync + 'static,
{
    let checks = Arc::new(checks);
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else { continue };
        let checks = Arc::clone(&checks);
        let metrics = Arc::clone(&metrics);
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = answer(&request, &checks(), &metrics);
                async move { Ok::<_, Infallible>(answer) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service);
            drop(connection.await);
            drop(permit);
        });
    }
}

/// Binds the admin listener.
pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

fn answer<B>(request: &Request<B>, checks: &[Check], metrics: &Metrics) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
    }
    let verbose = request.uri().query().is_some_and(|query| query.split('&').any(|part| part == "verbose"));
    match request.uri().path() {
        "/healthz" | "/livez" => text(StatusCode::OK, "ok\n".to_owned()),
        "/readyz" => {
            let ready = checks.iter().all(|check| check.ready);
            let mut lines = String::new();
            if verbose {
                for check in checks {
                    lines.push_str(if check.ready { "[+] " } else { "[-] " });
                    lines.push_str(check.name);
                    lines.push('\n');
                }
            }
            lines.push_str(if ready { "ready\n" } else { "not ready\n" });
            text(if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, lines)
        }
        "/metrics" => {
            let mut response = text(StatusCode::OK, metrics.text());
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(OPEN_METRICS));
            response
        }
        _ => text(StatusCode::NOT_FOUND, "known: /healthz /livez /readyz /metrics\n".to_owned()),
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
    use http::Request;

    use super::{Check, answer};
    use crate::metrics::Metrics;

    #[test]
    fn readiness_is_all_of_its_parts() {
        let metrics = Metrics::new(1, &[]);
        let checks = |ready| [Check { name: "policies", ready: true }, Check { name: "upstream", ready }];
        for (path, ready, status) in [
            ("/healthz", false, 200),
            ("/livez", false, 200),
            ("/readyz", true, 200),
            ("/readyz?verbose", false, 503),
            ("/metrics", true, 200),
            ("/metricz", true, 404),
        ] {
            let request = Request::get(path).body(()).unwrap();
            assert_eq!(answer(&request, &checks(ready), &metrics).status().as_u16(), status, "{path}");
        }
        let request = Request::post("/healthz").body(()).unwrap();
        assert_eq!(answer(&request, &[], &metrics).status().as_u16(), 405);
    }
}

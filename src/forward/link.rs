//! A connection that speaks HTTP/1.1: for requests to Ironic, and for every call that irongate makes for itself.

use std::error::Error;
use std::fmt;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::AbortHandle;

use super::connection::{ConnectError, Connector};

/// Ironic's answers have about a dozen headers.
const ANSWER_HEADERS_MAX: usize = 100;
/// So much of an answer is read at once, its head included: a slow caller's answer waits at Ironic, not here.
const READ_BYTES_MAX: usize = 64 * 1024;

/// A connection with the task that runs it: they end together, whatever the connection is doing. An answer's body is read
/// while the link is there.
pub struct Link<B> {
    sender: SendRequest<B>,
    task: AbortHandle,
}

impl<B> fmt::Debug for Link<B> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Link").finish_non_exhaustive()
    }
}

impl<B> Drop for Link<B> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Connector {
    /// One new connection that speaks HTTP/1.1.
    ///
    /// # Errors
    /// There is none in time.
    pub async fn http1<B>(&self) -> Result<Link<B>, ConnectError>
    where
        B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        let stream = self.connect().await?;
        let (sender, connection) = http1::Builder::new()
            .max_headers(ANSWER_HEADERS_MAX)
            .max_buf_size(READ_BYTES_MAX)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|_| ConnectError::Unreachable)?;
        let task = tokio::spawn(async move { drop(connection.await) }).abort_handle();
        Ok(Link { sender, task })
    }
}

impl<B: Body + 'static> Link<B> {
    /// Sends a request, and waits for the head of its answer.
    ///
    /// # Errors
    /// None came.
    pub async fn send(&mut self, request: Request<B>) -> hyper::Result<Response<Incoming>> {
        self.sender.send_request(request).await
    }

    /// The same; a request of which nothing was sent comes back.
    pub(super) async fn try_send(
        &mut self,
        request: Request<B>,
    ) -> Result<Response<Incoming>, TrySendError<Request<B>>> {
        self.sender.try_send_request(request).await
    }

    /// Waits until a request can be sent.
    ///
    /// # Errors
    /// None ever can.
    pub async fn ready(&mut self) -> hyper::Result<()> {
        self.sender.ready().await
    }
}

impl<B> Link<B> {
    /// Whether a request can be sent now.
    pub(super) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    /// Whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use http::header::HOST;
    use http_body_util::Empty;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;
    use crate::config::Endpoint;

    #[tokio::test]
    async fn a_link_that_is_dropped_ends_its_connection_whatever_it_waits_for() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let endpoint = Endpoint::Tcp { host: "127.0.0.1".to_owned(), port, tls: false };
        let connector = Connector::to(&endpoint, None, Duration::from_secs(60)).unwrap();
        let (link, accepted) = tokio::join!(connector.http1::<Empty<Bytes>>(), listener.accept());
        let (mut link, mut stream) = (link.unwrap(), accepted.unwrap().0);
        let request = Request::get("/").header(HOST, "x").body(Empty::new()).unwrap();
        let mut head = [0; 1];
        tokio::select! {
            answer = link.send(request) => panic!("nobody answers: {answer:?}"),
            read = stream.read(&mut head) => assert_eq!(read.unwrap(), 1),
        }
        drop(link);
        // It ends: with or without an error.
        stream.read_to_end(&mut Vec::new()).await.ok();
    }
}

//! Binding and accepting.

use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::connection::{Door, Stream};
use super::inherited::Inherited;
use super::{Phase, StartError};
use crate::config::{Config, ListenAddress, Listener};

/// Connections that the kernel keeps for us.
const BACKLOG: i32 = 1024;
/// After a failure to accept (no file descriptors left, most likely) others get time to end.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A bound socket of one worker, not yet on a runtime.
pub(super) enum Listening {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

impl Listening {
    pub(super) fn set_nonblocking(&self) -> std::io::Result<()> {
        match self {
            Self::Tcp(socket) => socket.set_nonblocking(true),
            Self::Unix(socket) => socket.set_nonblocking(true),
        }
    }

    fn try_clone(&self) -> std::io::Result<Self> {
        match self {
            Self::Tcp(socket) => socket.try_clone().map(Self::Tcp),
            Self::Unix(socket) => socket.try_clone().map(Self::Unix),
        }
    }

    /// Where it listens.
    fn address(&self) -> std::io::Result<ListenAddress> {
        match self {
            Self::Tcp(socket) => socket.local_addr().map(ListenAddress::Tcp),
            Self::Unix(socket) => {
                let address = socket.local_addr()?;
                Ok(ListenAddress::Unix(address.as_pathname().unwrap_or(Path::new("")).to_owned()))
            }
        }
    }
}

/// A unix socket's file, and which one it was when it was bound.
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn bound(path: &Path) -> std::io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity(path)? })
    }

    /// Removes it, unless another instance has put its own in that place.
    pub(super) fn remove(&self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            drop(std::fs::remove_file(&self.path));
        }
    }
}

fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|told| (told.dev(), told.ino()))
}

/// What was bound.
pub(super) struct Bound {
    /// For each worker its sockets, each with its listener's place.
    pub(super) workers: Vec<Vec<(usize, Listening)>>,
    /// Where they really are; of several sockets of one name the first.
    pub(super) addresses: Vec<ListenAddress>,
    /// Unix sockets that go when irongate goes.
    pub(super) files: Vec<SocketFile>,
}

/// Binds every listener once for each worker.
pub(super) fn bind(config: &Config) -> Result<Bound, StartError> {
    let mut workers: Vec<Vec<(usize, Listening)>> = (0..config.workers).map(|_| Vec::new()).collect();
    let (mut addresses, mut files) = (Vec::new(), Vec::new());
    let mut inherited = Inherited::from_environment();
    for (place, listener) in config.listeners.iter().enumerate() {
        let failed = |source| StartError::Listen {
            name: listener.name.to_string(),
            address: listener.address.to_string(),
            source,
        };
        match &listener.address {
            ListenAddress::Tcp(address) => {
                let mut address = *address;
                for sockets in &mut workers {
                    let socket = tcp(address).map_err(failed)?;
                    // Port 0: the first socket gets a port, the others share it.
                    address = socket.local_addr().map_err(failed)?;
                    sockets.push((place, Listening::Tcp(socket)));
                }
                addresses.push(ListenAddress::Tcp(address));
            }
            ListenAddress::Unix(path) => {
                let socket = unix(path).map_err(failed)?;
                for sockets in &mut workers {
                    sockets.push((place, Listening::Unix(socket.try_clone().map_err(failed)?)));
                }
                addresses.push(ListenAddress::Unix(path.clone()));
                files.push(SocketFile::bound(path).map_err(failed)?);
            }
            ListenAddress::Inherited { name, unix } => {
                for (count, socket) in inherited.take(name, *unix).map_err(failed)?.into_iter().enumerate() {
                    let address = socket.address().map_err(failed)?;
                    in_the_open(listener, &address).map_err(failed)?;
                    for sockets in &mut workers {
                        sockets.push((place, socket.try_clone().map_err(failed)?));
                    }
                    if count == 0 {
                        addresses.push(address);
                    } else {
                        tracing::info!(listener = %listener.name, %address, "listening, on a further socket of this name");
                    }
                }
            }
        }
    }
    for socket in inherited.left() {
        tracing::warn!(%socket, "a passed socket is served by no listener: who connects to it waits for ever");
    }
    Ok(Bound { workers, addresses, files })
}

/// Refuses a passed socket on which callers from elsewhere would speak without TLS.
fn in_the_open(listener: &Listener, address: &ListenAddress) -> std::io::Result<()> {
    match address {
        ListenAddress::Tcp(address)
            if listener.tls.is_none() && !listener.insecure_plaintext && !address.ip().is_loopback() =>
        {
            let message = "it is reachable from other machines: add [listener.tls], or insecure_plaintext = true";
            Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, message))
        }
        ListenAddress::Tcp(_) | ListenAddress::Unix(_) | ListenAddress::Inherited { .. } => Ok(()),
    }
}

fn tcp(address: std::net::SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Takes the place of a socket that nobody listens on any more, of nothing else.
fn unix(path: &Path) -> std::io::Result<std::os::unix::net::UnixListener> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(std::io::Error::new(std::io::ErrorKind::AlreadyExists, "there is a file of another kind"));
        }
        Ok(_) if std::os::unix::net::UnixStream::connect(path).is_ok() => {
            return Err(std::io::Error::new(std::io::ErrorKind::AddrInUse, "another process listens there"));
        }
        Ok(_) => std::fs::remove_file(path)?,
        Err(_) => {}
    }
    let socket = std::os::unix::net::UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Accepts until the drain begins. The TLS handshake is the connection's own affair: a slow caller stops nobody.
pub(super) async fn accept(
    listening: Listening,
    inherited: bool,
    door: Door,
    permits: Arc<Semaphore>,
    mut phase: watch::Receiver<Phase>,
) {
    let listener = match Acceptor::new(listening) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(kind = ?error.kind(), "a listening socket cannot be used");
            return;
        }
    };
    let door = Arc::new(door);
    let mut failures: u64 = 0;
    loop {
        let accepted = tokio::select! {
            biased;
            _ = phase.wait_for(Phase::is_drain) => break,
            accepted = async {
                let permit = Arc::clone(&permits).acquire_owned().await;
                (listener.accept().await, permit)
            } => accepted,
        };
        match accepted {
            (Ok(stream), Ok(permit)) => serve(&door, stream, permit),
            (Err(error), _) => {
                failures = failures.wrapping_add(1);
                if failures.is_power_of_two() {
                    tracing::warn!(kind = ?error.kind(), count = failures, "a connection could not be accepted");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
            (_, Err(_)) => return,
        }
    }
    // What the kernel has accepted for this socket alone would be reset with it. A socket that was passed to irongate goes
    // on, and so do those who wait for it.
    while !inherited
        && let Ok(Ok(stream)) = tokio::time::timeout(Duration::ZERO, listener.accept()).await
        && let Ok(permit) = Arc::clone(&permits).acquire_owned().await
    {
        serve(&door, stream, permit);
    }
}

fn serve(door: &Arc<Door>, stream: Stream, permit: OwnedSemaphorePermit) {
    let door = Arc::clone(door);
    tokio::spawn(async move {
        door.serve(stream).await;
        drop(permit);
    });
}

enum Acceptor {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Acceptor {
    fn new(listening: Listening) -> std::io::Result<Self> {
        match listening {
            Listening::Tcp(socket) => TcpListener::from_std(socket).map(Self::Tcp),
            Listening::Unix(socket) => UnixListener::from_std(socket).map(Self::Unix),
        }
    }

    async fn accept(&self) -> std::io::Result<Stream> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream, address.ip().to_canonical()))
            }
            Self::Unix(listener) => Ok(Stream::Unix(listener.accept().await?.0)),
        }
    }
}

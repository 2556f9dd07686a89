//! Sockets that the service manager opened and passes on (`sd_listen_fds(3)`): they are there before irongate is and
//! outlive it, so that nobody is refused while one instance follows the other.

use listenfd::ListenFd;

use super::listen::Listening;

/// What was passed, by name.
pub(super) struct Inherited {
    sockets: ListenFd,
    names: Vec<String>,
}

impl Inherited {
    /// Takes what the environment tells of.
    pub(super) fn from_environment() -> Self {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        Self { sockets: ListenFd::from_env(), names: names.split(':').map(ToOwned::to_owned).collect() }
    }

    /// The first socket of this name.
    pub(super) fn take(&mut self, name: &str, unix: bool) -> std::io::Result<Listening> {
        let missing = || {
            let message = "no such socket was passed: FileDescriptorName= in the socket unit gives the name";
            std::io::Error::new(std::io::ErrorKind::NotFound, message)
        };
        let place = self.names.iter().position(|known| known == name).ok_or_else(missing)?;
        let taken = if unix {
            self.sockets.take_unix_listener(place)?.map(Listening::Unix)
        } else {
            self.sockets.take_tcp_listener(place)?.map(Listening::Tcp)
        };
        let taken = taken.ok_or_else(missing)?;
        taken.set_nonblocking()?;
        Ok(taken)
    }
}

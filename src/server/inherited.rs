//! Sockets that the service manager opened and passes on (`sd_listen_fds(3)`): they are there before irongate is and
//! outlive it, so that nobody is refused while one instance follows the other.

use listenfd::ListenFd;

use super::listen::Listening;

/// What was passed, by name.
pub(super) struct Inherited {
    sockets: ListenFd,
    /// Of each socket; `None` once it was taken.
    names: Vec<Option<String>>,
}

impl Inherited {
    /// Takes what the environment tells of.
    pub(super) fn from_environment() -> Self {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let sockets = ListenFd::from_env();
        // As the service manager calls what has no name.
        let names = names.split(':').chain(std::iter::repeat("unknown")).take(sockets.len());
        let names = names.map(|name| Some(name.to_owned())).collect();
        Self { sockets, names }
    }

    /// All sockets of this name, at least one: a unit may name several addresses.
    pub(super) fn take(&mut self, name: &str, unix: bool) -> std::io::Result<Vec<Listening>> {
        let mut taken = Vec::new();
        for (place, known) in self.names.iter_mut().enumerate() {
            if known.as_deref() != Some(name) {
                continue;
            }
            let socket = if unix {
                self.sockets.take_unix_listener(place)?.map(Listening::Unix)
            } else {
                self.sockets.take_tcp_listener(place)?.map(Listening::Tcp)
            };
            *known = None;
            taken.extend(socket);
        }
        if taken.is_empty() {
            let message = "no such socket was passed: FileDescriptorName= in the socket unit gives the name";
            return Err(std::io::Error::new(std::io::ErrorKind::NotFound, message));
        }
        taken.iter().try_for_each(Listening::set_nonblocking)?;
        Ok(taken)
    }

    /// The names of those that nobody took.
    pub(super) fn left(&self) -> impl Iterator<Item = &str> {
        self.names.iter().flatten().map(String::as_str)
    }
}

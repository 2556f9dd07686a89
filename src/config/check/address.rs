//! Where callers and probes come in, and that nobody comes in at two of these places at once.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use toml::Spanned;

use super::super::{ListenAddress, Listener, files};
use super::Checker;

impl Checker<'_> {
    pub(super) fn listen_address(&mut self, address: &Spanned<String>) -> Option<ListenAddress> {
        if let Some(path) = address.get_ref().strip_prefix("unix:") {
            self.given_path(address, path);
            return Some(ListenAddress::Unix(self.path(Path::new(path))));
        }
        for (prefix, unix) in [("fd:", false), ("fd-unix:", true)] {
            if let Some(name) = address.get_ref().strip_prefix(prefix) {
                if name.is_empty() {
                    let message = format!("{prefix}NAME: the name of a socket that the service manager passes");
                    self.push(Some(address.span().start), message);
                }
                return Some(ListenAddress::Inherited { name: name.to_owned(), unix });
            }
        }
        let takes =
            "address is an IP address with a port (127.0.0.1:6385, [::]:6385), unix:PATH, fd:NAME or fd-unix:NAME";
        self.socket_address(address, takes).map(ListenAddress::Tcp)
    }

    pub(super) fn admin_address(&mut self, address: &Spanned<String>) -> Option<SocketAddr> {
        self.socket_address(address, "admin.address is an IP address with a port (127.0.0.1:9385, [::1]:9385)")
    }

    fn socket_address(&mut self, address: &Spanned<String>, takes: &str) -> Option<SocketAddr> {
        let parsed = address.get_ref().parse().ok();
        if parsed.is_none() {
            self.push(Some(address.span().start), takes.to_owned());
        }
        parsed
    }

    /// A path behind `unix:` has to be one: what is empty would be the configuration's folder.
    pub(super) fn given_path(&mut self, address: &Spanned<String>, path: &str) {
        if path.is_empty() {
            self.push(Some(address.span().start), "unix:PATH: the path of the socket is missing".to_owned());
        }
    }

    /// Workers share their sockets by `SO_REUSEPORT`, so the kernel takes two listeners at one address and deals callers
    /// out between them: to either one's schemes, operations and networks, at random.
    pub(super) fn alone(
        &mut self,
        address: &Spanned<String>,
        read: &ListenAddress,
        others: &[Listener],
        admin: Option<SocketAddr>,
    ) {
        let at = Some(address.span().start);
        if let Some(other) = others.iter().find(|other| same(&other.address, read)) {
            let message = format!("the listener {} has this address: give each one of its own", other.name);
            self.push(at, message);
        }
        if let (ListenAddress::Tcp(address), Some(admin)) = (read, admin)
            && overlap(*address, admin)
        {
            let message = "admin.address is in it: give the admin listener another port".to_owned();
            self.push(at, message);
        }
    }
}

fn same(one: &ListenAddress, other: &ListenAddress) -> bool {
    match (one, other) {
        (ListenAddress::Tcp(one), ListenAddress::Tcp(other)) => same_socket(*one, *other),
        (ListenAddress::Unix(one), ListenAddress::Unix(other)) => files::same(one, other),
        // A name's sockets go to the first listener that asks for them, of whatever kind they are.
        (ListenAddress::Inherited { name: one, .. }, ListenAddress::Inherited { name: other, .. }) => one == other,
        (ListenAddress::Tcp(_) | ListenAddress::Unix(_) | ListenAddress::Inherited { .. }, _) => false,
    }
}

/// Port 0 is another port each time. An address and one that is in it are two: the kernel prefers the closer one, always.
fn same_socket(one: SocketAddr, other: SocketAddr) -> bool {
    let zone = |address| if let SocketAddr::V6(address) = address { address.scope_id() } else { 0 };
    one.port() != 0
        && one.port() == other.port()
        && one.ip().to_canonical() == other.ip().to_canonical()
        && zone(one) == zone(other)
}

/// The admin listener shares with nobody: it cannot listen where a listener takes its address with all others.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let covers = |all: SocketAddr, one: SocketAddr| match all.ip() {
        IpAddr::V4(ip) => ip.is_unspecified() && one.ip().to_canonical().is_ipv4(),
        // Both families come in there.
        IpAddr::V6(ip) => ip.is_unspecified(),
    };
    same_socket(one, other)
        || one.port() != 0 && one.port() == other.port() && (covers(one, other) || covers(other, one))
}

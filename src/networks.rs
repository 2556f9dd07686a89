//! Lists of networks that callers come from.

use std::net::IpAddr;

use ipnet::IpNet;
use thiserror::Error;

/// Networks, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

/// Why a list of networks cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NetworkError {
    /// Nobody comes from there.
    #[error("source_networks is empty and would match nobody: fill it or remove it")]
    Empty,
    /// Text that is no network.
    #[error("{0:?} is no network: write it as 192.0.2.0/24 or 2001:db8::/32")]
    Network(String),
    /// A network with host bits.
    #[error("{0:?} has bits past its prefix: write {1}")]
    HostBits(String, IpNet),
}

impl Networks {
    /// Reads networks (`192.0.2.0/24`) and single addresses.
    ///
    /// # Errors
    /// The first that cannot be used.
    pub fn parse(texts: &[String]) -> Result<Self, NetworkError> {
        if texts.is_empty() {
            return Err(NetworkError::Empty);
        }
        let network = |text: &String| {
            let network: IpNet = text
                .parse()
                .or_else(|_error| text.parse::<IpAddr>().map(IpNet::from))
                .map_err(|_error| NetworkError::Network(text.clone()))?;
            let trunk = network.trunc();
            if trunk == network { Ok(network) } else { Err(NetworkError::HostBits(text.clone(), trunk)) }
        };
        texts.iter().map(network).collect::<Result<_, _>>().map(Self)
    }

    /// IPv4 callers of a dual-stack socket (`::ffff:192.0.2.1`) count as IPv4. Who has no address comes from nowhere.
    pub fn contain(&self, address: Option<IpAddr>) -> bool {
        address.is_some_and(|address| self.0.iter().any(|network| network.contains(&address.to_canonical())))
    }
}

//! Which addresses may be connected to.
//!
//! Whoever registers a system names an address, and the service connects to it from where it stands: behind the firewall,
//! beside other services, on a machine of a cloud that hands out credentials at an address of its own. So what is no public
//! address is refused unless the operator has opened it.
//!
//! The check is made where a name becomes addresses and just before a connection is made, by one function for every kind of
//! connection: a name that leads elsewhere tomorrow, or to several addresses at once, leads to none that was not checked.

mod kind;
mod names;

pub use kind::AddressKind;
pub use names::{Names, SystemNames};

use bridge_model::AddressBlock;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::error::Error as StdError;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};
use url::{Host, Url};

/// What an operator has opened.
#[derive(Debug, Clone, Default)]
pub struct OutboundRules {
    /// Whether private addresses may be connected to.
    pub allow_private: bool,
    /// Further addresses that may be connected to.
    ///
    /// Addresses of kinds that are never a business system's (see [`AddressKind::is_named_only`]) are opened only by a block
    /// that holds nothing else: a wide one was not meant for them.
    pub allowed: Vec<AddressBlock>,
}

impl OutboundRules {
    fn judge(&self, address: IpAddr) -> Result<(), AddressRefused> {
        let Some((kind, block)) = kind::of(address) else { return Ok(()) };
        if self.allow_private && kind == AddressKind::Private {
            return Ok(());
        }
        let opens = |allowed: &&AddressBlock| {
            // What is written within an IPv6 address is where the packets end up.
            let is_meant =
                allowed.contains(address) || kind::within(address).is_some_and(|inner| allowed.contains(inner));
            is_meant && (!kind.is_named_only() || block.covers(allowed) || **allowed == AddressBlock::from(address))
        };
        match self.allowed.iter().find(opens) {
            Some(_) => Ok(()),
            None => Err(AddressRefused { address, kind }),
        }
    }
}

/// An address that may not be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub struct AddressRefused {
    /// The address.
    pub address: IpAddr,
    /// Why.
    pub kind: AddressKind,
}

/// With the setting that opens it, and without the address: who reads this may have given only a name.
impl fmt::Display for AddressRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, .. } = self;
        let or = if *kind == AddressKind::Private { "outbound.allow_private = true, or " } else { "" };
        write!(
            f,
            "the address is {kind}, which is not connected to unless the config allows it: {or}the address in outbound.allowed_addresses"
        )
    }
}

impl AddressRefused {
    /// The refusal among the causes of an error, if it is one of them.
    pub fn among<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(refused) = error.downcast_ref() {
                return Some(refused);
            }
            // An error of input or output does not show what it was made of as its cause.
            let inner = error.downcast_ref::<io::Error>().and_then(|error| error.get_ref());
            if let Some(refused) = inner.and_then(|inner| inner.downcast_ref()) {
                return Some(refused);
            }
            next = error.source();
        }
        None
    }
}

/// Checks addresses, and turns names into those that may be connected to. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Outbound(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    rules: OutboundRules,
    names: Arc<dyn Names>,
    is_open: bool,
}

impl Default for Outbound {
    /// Only public addresses, found as the machine finds them.
    fn default() -> Self {
        Self::new(OutboundRules::default(), Arc::new(SystemNames))
    }
}

impl Outbound {
    /// What these rules allow, of what `names` finds.
    pub fn new(rules: OutboundRules, names: Arc<dyn Names>) -> Self {
        Self(Arc::new(Parts { rules, names, is_open: false }))
    }

    /// Whatever there is: for addresses that the operator has given.
    pub fn anywhere() -> Self {
        Self(Arc::new(Parts { rules: OutboundRules::default(), names: Arc::new(SystemNames), is_open: true }))
    }

    /// Whether this address may be connected to.
    pub fn judge(&self, address: IpAddr) -> Result<(), AddressRefused> {
        if self.0.is_open { Ok(()) } else { self.0.rules.judge(address) }
    }

    /// Whether a URL leads where nothing may be connected to, as far as that is known within two seconds: a name that is not
    /// found now may be later.
    pub async fn refusal(&self, url: &Url) -> Option<AddressRefused> {
        match address_in(url) {
            Some(address) => self.judge(address).err(),
            None => known(self.find(url.host_str()?)).await,
        }
    }

    /// The addresses of a name, or the address that it is, which may be connected to; at least one. If there are only others
    /// the error has an [`AddressRefused`] among its causes.
    pub async fn find(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let found = match name.parse() {
            Ok(address) => vec![address],
            Err(_) => self.0.names.find(name.to_owned()).await?,
        };
        let (mut open, mut refused) = (Vec::with_capacity(found.len()), None);
        for address in found {
            match self.judge(address) {
                Ok(()) => open.push(address),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        match (open.is_empty(), refused) {
            (true, Some(refused)) => Err(io::Error::other(refused)),
            (true, None) => Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address")),
            (false, _) => Ok(open),
        }
    }
}

/// The address that stands in a URL in place of a name, however it is written there.
pub(crate) fn address_in(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

/// The longest that names are looked up for while somebody waits who only wants to save an address.
const LOOK_UP: Duration = Duration::from_secs(2);

/// The refusal that a look-up ends with, if it does so in time.
pub(crate) async fn known<T, E: StdError + 'static>(
    look_up: impl Future<Output = Result<T, E>>,
) -> Option<AddressRefused> {
    let error = tokio::time::timeout(LOOK_UP, look_up).await.ok()?.err()?;
    AddressRefused::among(&error).copied()
}

/// For the HTTP client, which connects to what it is told here and to nothing else.
impl Resolve for Outbound {
    fn resolve(&self, name: Name) -> Resolving {
        let outbound = self.clone();
        Box::pin(async move {
            let found = outbound.find(name.as_str()).await?;
            // The client puts the port of its URL in place of 0.
            let addresses = found.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests;

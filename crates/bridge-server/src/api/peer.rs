//! Where a request comes from.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use bridge_model::AddressBlock;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

/// The address that a request comes from, put into it by whoever accepted its connection; `None` where that is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub Option<IpAddr>);

/// Where proxies write down, one after the other, whose request they pass on.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

impl Peer {
    /// Where a request with these headers comes from that came over a connection from `address`.
    ///
    /// That is the other end of the connection, unless it is one of `proxies`: then it is whom that one names last in
    /// `x-forwarded-for`, and so on as long as who is named is a proxy too. What stands before that was written by nobody
    /// who is trusted. A proxy that names no address, or that names nobody behind it, leaves us without knowing.
    pub fn of(address: IpAddr, headers: &HeaderMap, proxies: &[AddressBlock]) -> Self {
        let is_proxy = |address: IpAddr| proxies.iter().any(|block| block.contains(address));
        let address = address.to_canonical();
        if !is_proxy(address) {
            return Self(Some(address));
        }
        for value in headers.get_all(FORWARDED_FOR).iter().rev() {
            let Ok(names) = value.to_str() else { return Self(None) };
            for name in names.rsplit(',') {
                match named(name.trim()) {
                    Some(address) if is_proxy(address) => {}
                    other => return Self(other),
                }
            }
        }
        Self(None)
    }
}

/// The address that a proxy has written down; some write the port behind it.
fn named(text: &str) -> Option<IpAddr> {
    let address = text.parse().ok().or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().copied().unwrap_or(Self(None)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn peer(address: &str, forwarded: &[&str]) -> Option<String> {
        let proxies = ["10.0.0.0/8", "2001:db8:1::/48"].map(|block| AddressBlock::parse(block).unwrap());
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        Peer::of(address.parse().unwrap(), &headers, &proxies).0.map(|address| address.to_string())
    }

    #[test]
    fn whoever_is_no_proxy_is_believed_nothing() {
        assert_eq!(peer("203.0.113.7", &["198.51.100.1"]).unwrap(), "203.0.113.7");
        assert_eq!(peer("::ffff:203.0.113.7", &["198.51.100.1"]).unwrap(), "203.0.113.7");
    }

    #[test]
    fn a_proxy_is_believed_whom_it_names_last() {
        for (forwarded, expected) in [
            (&["198.51.100.1"][..], "198.51.100.1"),
            // What stands before it was sent by the client, who may write what they like.
            (&["127.0.0.1, 198.51.100.1"], "198.51.100.1"),
            (&["127.0.0.1", "198.51.100.1"], "198.51.100.1"),
            // Other proxies of ours are passed over, from the last line to the first.
            (&["198.51.100.1, 10.1.1.1,10.2.2.2"], "198.51.100.1"),
            (&["127.0.0.1,198.51.100.1", "10.1.1.1", "[2001:db8:1::7]:443"], "198.51.100.1"),
            (&["198.51.100.1:4711"], "198.51.100.1"),
            (&["2001:db8:2::1"], "2001:db8:2::1"),
            (&["[2001:db8:2::1]:4711"], "2001:db8:2::1"),
            (&["::ffff:198.51.100.1"], "198.51.100.1"),
        ] {
            assert_eq!(peer("10.0.0.1", forwarded).unwrap(), expected, "{forwarded:?}");
            assert_eq!(peer("::ffff:10.0.0.1", forwarded).unwrap(), expected, "{forwarded:?}");
        }
    }

    #[test]
    fn a_proxy_that_names_no_address_names_nobody() {
        for forwarded in [
            &[][..],
            &[""],
            &["10.1.1.1"],
            &["unknown"],
            &["198.51.100.1, unknown"],
            &["198.51.100.1, _hidden, 10.1.1.1"],
            &["198.51.100.1,"],
            &["198.51.100.1", "caf\u{e9}"],
            &["fe80::1%eth0"],
        ] {
            assert_eq!(peer("10.0.0.1", forwarded), None, "{forwarded:?}");
        }
    }
}

//! Blocks of network addresses, as lists of who may call and of what may be called have them.

use crate::InvalidId;
use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

/// A block of addresses (`203.0.113.0/24`, `2001:db8::/32`), or a single one (`203.0.113.7`).
///
/// It is kept in its one canonical form: bits beyond the prefix are zero, a block of IPv4 addresses that is written in
/// IPv6 (`::ffff:203.0.113.0/120`) is one of IPv4, and a block of one address is written as the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AddressBlock(IpNet);

/// The longest text that can be a block: an IPv6 address with an IPv4 one at its end, and its prefix.
const TEXT_BYTES_MAX: usize = 49;

/// How many bits stand before the IPv4 address in an IPv6 one that maps it.
const MAPPED_BITS: u8 = 96;

impl AddressBlock {
    /// The rule that a text breaks which is none of these.
    pub const RULE: InvalidId = InvalidId {
        field: "address",
        reason: "must be an address or a block of addresses such as 203.0.113.7, 203.0.113.0/24 or 2001:db8::/32",
    };

    /// Reads a block. Names, zones (`%eth0`), ports, and numbers that are not written in the usual way are refused.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(Self::RULE);
        }
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| Self::RULE)?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Some(bits), prefix_bits).ok_or(Self::RULE)?;
        Self::new(address, prefix).ok_or(Self::RULE)
    }

    /// The block of the addresses that begin with these bits of `address`; `None` if it does not have so many.
    pub fn new(address: IpAddr, prefix_bits: u8) -> Option<Self> {
        let block = IpNet::new(address, prefix_bits).ok()?.trunc();
        let IpNet::V6(wide) = block else { return Some(Self(block)) };
        let mapped = wide.addr().to_ipv4_mapped().zip(prefix_bits.checked_sub(MAPPED_BITS));
        Some(match mapped {
            Some((address, prefix_bits)) => Self(Ipv4Net::new(address, prefix_bits).ok()?.into()),
            None => Self(block),
        })
    }

    /// Whether the address is in the block. An IPv4 address that is written in IPv6 (`::ffff:203.0.113.7`), as sockets for
    /// both tell it, is the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// Whether all addresses of the other block are in this one.
    pub fn covers(&self, other: &Self) -> bool {
        self.0.contains(&other.0)
    }

    /// The lowest address of the block.
    pub fn first(&self) -> IpAddr {
        self.0.addr()
    }
}

/// The bits of a prefix, written without a sign and without zeros before it.
fn prefix_bits(text: &str) -> Option<u8> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain)
}

/// The canonical form.
impl fmt::Display for AddressBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(block) = self;
        if block.prefix_len() == block.max_prefix_len() { block.addr().fmt(f) } else { block.fmt(f) }
    }
}

impl TryFrom<String> for AddressBlock {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        Self::parse(&text)
    }
}

impl From<AddressBlock> for String {
    fn from(block: AddressBlock) -> Self {
        block.to_string()
    }
}

impl From<IpAddr> for AddressBlock {
    fn from(address: IpAddr) -> Self {
        Self(IpNet::from(address.to_canonical()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::Ipv6Addr;

    #[test]
    fn blocks_have_one_form() {
        for (text, canonical) in [
            ("203.0.113.7", "203.0.113.7"),
            ("203.0.113.7/32", "203.0.113.7"),
            ("203.0.113.7/24", "203.0.113.0/24"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:DB8:0:0::1/32", "2001:db8::/32"),
            ("2001:db8::1/128", "2001:db8::1"),
            ("::/0", "::/0"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("::ffff:203.0.113.7/120", "203.0.113.0/24"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("1111:2222:3333:4444:5555:6666:255.255.255.255/128", "1111:2222:3333:4444:5555:6666:ffff:ffff"),
        ] {
            let block = AddressBlock::parse(text).unwrap();
            assert_eq!(block.to_string(), canonical, "{text}");
            assert_eq!(serde_json::to_value(block).unwrap(), canonical);
        }
    }

    #[test]
    fn what_is_no_block_is_refused() {
        let long = "1".repeat(100_000);
        let long_prefix = format!("10.0.0.0/{}", "8".repeat(60_000));
        for text in [
            "",
            "/",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.0/08",
            "10.0.0.0/8/8",
            "10.0.0.0/256",
            "10.0.0.0/8 ",
            " 10.0.0.0",
            "10.0.0",
            "10.0.0/8",
            "010.0.0.1",
            "0x0a.0.0.1",
            "167772161",
            "10.0.0.0/255.0.0.0",
            "::1/129",
            "fe80::1%eth0",
            "fe80::1%1/64",
            "[::1]",
            "[::1]:80",
            "10.0.0.1:80",
            "localhost",
            "*",
            "10.0.0.*",
            "١٠.0.0.0/8",
            "10.0.0.0/٨",
            "10.0.0.0\0/8",
            "10.0.0.1,10.0.0.2",
            "10.0.0.1-10.0.0.9",
            &long,
            &long_prefix,
        ] {
            assert_eq!(AddressBlock::parse(text), Err(AddressBlock::RULE), "{text:?}");
        }
    }

    #[test]
    fn an_address_is_the_same_in_both_forms() {
        let block = AddressBlock::parse("10.20.0.0/16").unwrap();
        for (address, expected) in [
            ("10.20.3.4", true),
            ("::ffff:10.20.3.4", true),
            ("10.21.0.0", false),
            ("::ffff:10.21.0.0", false),
            ("::10.20.3.4", false),
        ] {
            assert_eq!(block.contains(address.parse().unwrap()), expected, "{address}");
        }
        // A block of IPv6 is none of IPv4, however wide it is.
        assert!(!AddressBlock::parse("::/0").unwrap().contains("10.20.3.4".parse().unwrap()));
        assert!(AddressBlock::parse("10.0.0.0/8").unwrap().covers(&block));
        assert!(!block.covers(&AddressBlock::parse("10.0.0.0/8").unwrap()));
    }

    proptest! {
        #[test]
        fn a_block_holds_what_begins_with_its_bits(number: u128, other: u128, bits in 0_u8..=128) {
            let (address, other) = (Ipv6Addr::from_bits(number), Ipv6Addr::from_bits(other));
            let block = AddressBlock::new(address.into(), bits).unwrap();
            prop_assert_eq!(AddressBlock::parse(&block.to_string()), Ok(block));
            prop_assert!(block.contains(address.into()));
            let differs = (number ^ other.to_bits()).leading_zeros() < u32::from(bits);
            prop_assert_eq!(block.contains(other.into()), !differs);
        }
    }
}

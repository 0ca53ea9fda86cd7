//! What an address is for, by the registries of special addresses (RFC 6890 and what was added since).

use bridge_model::AddressBlock;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Kinds of address that are not public.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressKind {
    /// Of somebody's own network, the addresses that providers share among customers included.
    Private,
    /// The machine itself.
    Loopback,
    /// Where clouds tell a machine about itself, its credentials included.
    Metadata,
    /// Of the cable, which no router passes on.
    LinkLocal,
    /// No address at all; connecting to it is connecting to the machine itself.
    Unspecified,
    /// Of many machines at once.
    Multicast,
    /// For examples in texts.
    Documentation,
    /// Set apart for something else, or not given out.
    Reserved,
}

impl AddressKind {
    /// Its name for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Loopback => "loopback",
            Self::Metadata => "metadata",
            Self::LinkLocal => "link_local",
            Self::Unspecified => "unspecified",
            Self::Multicast => "multicast",
            Self::Documentation => "documentation",
            Self::Reserved => "reserved",
        }
    }

    /// Whether a block opens such addresses only if it lies within theirs.
    pub(super) fn is_named_only(self) -> bool {
        matches!(self, Self::Metadata | Self::LinkLocal | Self::Unspecified | Self::Multicast)
    }
}

/// As the end of a sentence: "10.0.0.1 is …".
impl fmt::Display for AddressKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Private => "a private address",
            Self::Loopback => "this machine",
            Self::Metadata => "the metadata service of a cloud",
            Self::LinkLocal => "a link-local address",
            Self::Unspecified => "no address",
            Self::Multicast => "a multicast address",
            Self::Documentation => "an address for documentation",
            Self::Reserved => "a reserved address",
        })
    }
}

type V4 = (AddressKind, [u8; 4], u8);
type V6 = (AddressKind, [u16; 8], u8);

/// What is special among the IPv4 addresses, the narrower before the wider.
const SPECIAL_V4: &[V4] = &[
    // Alibaba, Oracle and Azure have theirs among other addresses.
    (AddressKind::Metadata, [100, 100, 100, 200], 32),
    (AddressKind::Metadata, [192, 0, 0, 192], 32),
    (AddressKind::Metadata, [168, 63, 129, 16], 32),
    (AddressKind::Metadata, [169, 254, 169, 254], 32),
    (AddressKind::LinkLocal, [169, 254, 0, 0], 16),
    (AddressKind::Unspecified, [0, 0, 0, 0], 8),
    (AddressKind::Loopback, [127, 0, 0, 0], 8),
    (AddressKind::Private, [10, 0, 0, 0], 8),
    (AddressKind::Private, [172, 16, 0, 0], 12),
    (AddressKind::Private, [192, 168, 0, 0], 16),
    (AddressKind::Private, [100, 64, 0, 0], 10),
    (AddressKind::Documentation, [192, 0, 2, 0], 24),
    (AddressKind::Documentation, [198, 51, 100, 0], 24),
    (AddressKind::Documentation, [203, 0, 113, 0], 24),
    (AddressKind::Reserved, [192, 0, 0, 0], 24),
    (AddressKind::Reserved, [192, 88, 99, 0], 24),
    (AddressKind::Reserved, [198, 18, 0, 0], 15),
    (AddressKind::Multicast, [224, 0, 0, 0], 4),
    // The one for everybody on the cable is the last of these.
    (AddressKind::Reserved, [240, 0, 0, 0], 4),
];

/// What is special among the IPv6 addresses, the narrower before the wider. Those that hold an IPv4 address are judged by
/// it.
const SPECIAL_V6: &[V6] = &[
    (AddressKind::Unspecified, [0, 0, 0, 0, 0, 0, 0, 0], 128),
    (AddressKind::Loopback, [0, 0, 0, 0, 0, 0, 0, 1], 128),
    (AddressKind::Metadata, [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254], 128),
    (AddressKind::Metadata, [0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254], 128),
    (AddressKind::LinkLocal, [0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
    (AddressKind::Private, [0xfc00, 0, 0, 0, 0, 0, 0, 0], 7),
    (AddressKind::Private, [0xfec0, 0, 0, 0, 0, 0, 0, 0], 10),
    (AddressKind::Multicast, [0xff00, 0, 0, 0, 0, 0, 0, 0], 8),
    (AddressKind::Documentation, [0x2001, 0x0db8, 0, 0, 0, 0, 0, 0], 32),
    (AddressKind::Documentation, [0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
    // Protocols of their own, Teredo among them, which hides an IPv4 address.
    (AddressKind::Reserved, [0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
];

/// Where all public IPv6 addresses are.
const GLOBAL_V6: V6 = (AddressKind::Reserved, [0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// What kind of address it is, and the block of that kind that it is in; `None` for a public one.
pub(super) fn of(address: IpAddr) -> Option<(AddressKind, AddressBlock)> {
    match address.to_canonical() {
        IpAddr::V4(address) => of_v4(address),
        IpAddr::V6(address) => match within(address.into()) {
            Some(inner) => of(inner),
            None => of_v6(address),
        },
    }
}

/// The IPv4 address that stands in an IPv6 address: mapped, compatible, translated (NAT64) or carried (6to4).
pub(super) fn within(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(address) = address else { return None };
    let (high, low) = match address.segments() {
        // The two that look like one with an address in it and are none.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => return None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            (high, low)
        }
        _ => return None,
    };
    Some(Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low)).into())
}

fn of_v4(address: Ipv4Addr) -> Option<(AddressKind, AddressBlock)> {
    first(SPECIAL_V4.iter().map(|(kind, first, bits)| (*kind, Ipv4Addr::from(*first).into(), *bits)), address.into())
}

fn of_v6(address: Ipv6Addr) -> Option<(AddressKind, AddressBlock)> {
    let special = SPECIAL_V6.iter().map(|(kind, first, bits)| (*kind, Ipv6Addr::from(*first).into(), *bits));
    first(special, address.into()).or_else(|| {
        let (kind, start, bits) = GLOBAL_V6;
        let public = AddressBlock::new(Ipv6Addr::from(start).into(), bits)?;
        // What is not given out yet may become anything.
        (!public.contains(address.into())).then_some((kind, AddressBlock::from(IpAddr::from(address))))
    })
}

fn first(
    mut special: impl Iterator<Item = (AddressKind, IpAddr, u8)>,
    address: IpAddr,
) -> Option<(AddressKind, AddressBlock)> {
    special.find_map(|(kind, first, bits)| {
        let block = AddressBlock::new(first, bits)?;
        block.contains(address).then_some((kind, block))
    })
}

use super::*;
use std::net::Ipv4Addr;

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn rules(allow_private: bool, allowed: &[&str]) -> OutboundRules {
    let allowed = allowed.iter().map(|block| AddressBlock::parse(block).unwrap()).collect();
    OutboundRules { allow_private, allowed }
}

/// An address, and what kind it is; `None` for a public one.
const KINDS: &[(&str, Option<AddressKind>)] = &[
    ("8.8.8.8", None),
    ("172.15.255.255", None),
    ("172.32.0.0", None),
    ("100.63.255.255", None),
    ("100.128.0.0", None),
    ("169.253.255.255", None),
    ("2606:4700:4700::1111", None),
    ("2001:200::1", None),
    ("10.0.0.1", Some(AddressKind::Private)),
    ("172.16.0.0", Some(AddressKind::Private)),
    ("172.31.255.255", Some(AddressKind::Private)),
    ("192.168.1.1", Some(AddressKind::Private)),
    ("100.64.0.1", Some(AddressKind::Private)),
    ("fc00::1", Some(AddressKind::Private)),
    ("fdff::1", Some(AddressKind::Private)),
    ("fec0::1", Some(AddressKind::Private)),
    ("127.0.0.1", Some(AddressKind::Loopback)),
    ("127.255.255.255", Some(AddressKind::Loopback)),
    ("::1", Some(AddressKind::Loopback)),
    ("169.254.169.254", Some(AddressKind::Metadata)),
    ("100.100.100.200", Some(AddressKind::Metadata)),
    ("192.0.0.192", Some(AddressKind::Metadata)),
    ("168.63.129.16", Some(AddressKind::Metadata)),
    ("fd00:ec2::254", Some(AddressKind::Metadata)),
    ("fd20:ce::254", Some(AddressKind::Metadata)),
    ("169.254.0.1", Some(AddressKind::LinkLocal)),
    ("fe80::1", Some(AddressKind::LinkLocal)),
    ("febf::1", Some(AddressKind::LinkLocal)),
    ("0.0.0.0", Some(AddressKind::Unspecified)),
    ("0.1.2.3", Some(AddressKind::Unspecified)),
    ("::", Some(AddressKind::Unspecified)),
    ("224.0.0.1", Some(AddressKind::Multicast)),
    ("239.255.255.255", Some(AddressKind::Multicast)),
    ("ff02::1", Some(AddressKind::Multicast)),
    ("192.0.2.1", Some(AddressKind::Documentation)),
    ("198.51.100.1", Some(AddressKind::Documentation)),
    ("203.0.113.1", Some(AddressKind::Documentation)),
    ("2001:db8::1", Some(AddressKind::Documentation)),
    ("3fff::1", Some(AddressKind::Documentation)),
    ("192.0.0.1", Some(AddressKind::Reserved)),
    ("192.88.99.1", Some(AddressKind::Reserved)),
    ("198.18.0.1", Some(AddressKind::Reserved)),
    ("240.0.0.1", Some(AddressKind::Reserved)),
    ("255.255.255.255", Some(AddressKind::Reserved)),
    ("100::1", Some(AddressKind::Reserved)),
    ("4000::1", Some(AddressKind::Reserved)),
    ("5f00::1", Some(AddressKind::Reserved)),
    // Local translation, and Teredo, in which the address that counts is hidden.
    ("64:ff9b:1::7f00:1", Some(AddressKind::Reserved)),
    ("2001:0:7f00:1::1", Some(AddressKind::Reserved)),
    ("::ffff:0:127.0.0.1", Some(AddressKind::Reserved)),
];

#[test]
fn what_is_not_public_is_refused_in_every_form() {
    let outbound = Outbound::default();
    for (text, kind) in KINDS {
        let judged = outbound.judge(address(text)).map_err(|refused| refused.kind);
        assert_eq!(judged.err(), *kind, "{text}");
        let IpAddr::V4(inner) = address(text) else { continue };
        let [a, b, c, d] = inner.octets().map(u16::from);
        let (high, low) = ((a << 8) | b, (c << 8) | d);
        for form in [format!("::ffff:{inner}"), format!("64:ff9b::{inner}"), format!("2002:{high:x}:{low:x}::1")] {
            let judged = outbound.judge(address(&form)).map_err(|refused| refused.kind);
            assert_eq!(judged.err(), *kind, "{form}");
        }
        // The last two of this form are no addresses that hold another one.
        if inner > Ipv4Addr::new(0, 0, 0, 1) {
            let judged = outbound.judge(address(&format!("::{inner}"))).map_err(|refused| refused.kind);
            assert_eq!(judged.err(), *kind, "::{inner}");
        }
    }
}

#[test]
fn urls_that_name_an_address_are_judged_however_they_write_it() {
    let outbound = Outbound::default();
    for url in [
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://127.0.0.1:8069/",
        "http://[::1]/",
        "http://[::ffff:7f00:1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://user@127.0.0.1/",
        "http://%31%32%37.0.0.1/",
        "http://１２７.0.0.1/",
        "http://127.0.0.1./",
        "http://0/",
    ] {
        let address = address_in(&Url::parse(url).unwrap()).unwrap();
        assert!(outbound.judge(address).is_err(), "{url}");
    }
    assert_eq!(address_in(&Url::parse("https://8.8.8.8/").unwrap()), Some(address("8.8.8.8")));
    assert_eq!(address_in(&Url::parse("https://erp.example.com/").unwrap()), None);
}

#[test]
fn what_is_opened_is_open_and_nothing_else() {
    for (allow_private, allowed, open, closed) in [
        (
            true,
            &[][..],
            &["10.0.0.1", "192.168.1.1", "100.64.0.1", "fc00::1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1"][..],
            &["127.0.0.1", "::1", "169.254.169.254", "fe80::1", "fd00:ec2::254", "100.100.100.200", "0.0.0.0"][..],
        ),
        (
            false,
            &["10.20.0.0/16", "127.0.0.0/8", "fd01::/16"],
            &["10.20.1.1", "127.0.0.1", "::ffff:127.0.0.1", "2002:a14:101::1", "fd01::1"],
            &["10.21.1.1", "::1", "fd02::1", "192.168.1.1"],
        ),
        // A wide block was not meant for what hands out credentials.
        (
            false,
            &["0.0.0.0/0", "::/0"],
            &["10.0.0.1", "127.0.0.1", "fc00::1", "::1", "240.0.0.1"],
            &[
                "169.254.169.254",
                "169.254.0.1",
                "0.0.0.0",
                "224.0.0.1",
                "fe80::1",
                "fd00:ec2::254",
                "::ffff:169.254.169.254",
            ],
        ),
        (false, &["169.254.0.0/16"], &["169.254.0.1"], &["169.254.169.254"]),
        (false, &["169.254.169.254", "fe80::/64"], &["169.254.169.254", "fe80::1"], &["169.254.0.1", "fe80:1::1"]),
        (true, &["fd00:ec2::254"], &["fd00:ec2::254"], &["fd20:ce::254"]),
    ] {
        let outbound = Outbound::new(rules(allow_private, allowed), Arc::new(SystemNames));
        for text in open {
            assert_eq!(outbound.judge(address(text)), Ok(()), "{allow_private} {allowed:?} {text}");
        }
        for text in closed {
            assert!(outbound.judge(address(text)).is_err(), "{allow_private} {allowed:?} {text}");
        }
    }
}

#[test]
fn a_refusal_names_the_setting_and_not_the_address() {
    let told = |text: &str| Outbound::default().judge(address(text)).unwrap_err().to_string();
    let private = told("10.20.30.40");
    assert!(private.contains("outbound.allow_private = true") && !private.contains("10.20"), "{private}");
    let loopback = told("127.0.0.1");
    assert!(loopback.contains("outbound.allowed_addresses") && !loopback.contains("allow_private"), "{loopback}");
}

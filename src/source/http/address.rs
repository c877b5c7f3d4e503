//! Addresses that belong to no public server, and networks that a setting names.
//!
//! Sources: the IANA registries of special-purpose IPv4 and IPv6 addresses (RFC 6890), as of 2026. Of IPv6, only global
//! unicast (2000::/3) is public.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network, such as `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    bits: u8,
}

impl Network {
    /// Parses an address with the number of leading bits that count, or a single address. `None` if it is neither, or if
    /// other bits are set.
    pub fn parse(text: &str) -> Option<Self> {
        let (base, bits) = text.split_once('/').map_or((text, None), |(base, bits)| (base, Some(bits)));
        let base: IpAddr = base.parse().ok()?;
        let bits = match bits {
            // No signs and no leading zeros.
            Some(bits) => bits.parse().ok().filter(|number: &u8| number.to_string() == bits)?,
            None => length(base),
        };
        let network = Self { base, bits };
        (bits <= length(base) && mask(base, bits) == number(base)).then_some(network)
    }

    /// Whether an address is in this network. One in IPv4 is in no network of IPv6, and the reverse, however it is written.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.base.is_ipv4() == address.is_ipv4() && mask(address, self.bits) == number(self.base)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

const fn length(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The leading bits of an address.
fn mask(address: IpAddr, bits: u8) -> u128 {
    let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
    number(address) & mask
}

const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8) -> Network {
    Network { base: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), bits }
}

const fn v6(first: [u16; 6], bits: u8) -> Network {
    let [a, b, c, d, e, f] = first;
    Network { base: IpAddr::V6(Ipv6Addr::new(a, b, c, d, e, f, 0, 0)), bits }
}

/// Networks without public servers, and what they are for. The first that contains an address describes it.
const SPECIAL: &[(Network, &str)] = &[
    (v4(0, 0, 0, 0, 8), "of this network"),
    (v4(10, 0, 0, 0, 8), "private"),
    (v4(100, 64, 0, 0, 10), "shared by the customers of a provider (CGNAT)"),
    (v4(127, 0, 0, 0, 8), "loopback"),
    (v4(168, 63, 129, 16, 32), "of the platform of Azure"),
    (v4(169, 254, 0, 0, 16), "link-local"),
    (v4(172, 16, 0, 0, 12), "private"),
    (v4(192, 0, 0, 0, 24), "reserved for protocols"),
    (v4(192, 0, 2, 0, 24), "for documentation"),
    (v4(192, 31, 196, 0, 24), "of AS112"),
    (v4(192, 52, 193, 0, 24), "of AMT relays"),
    (v4(192, 88, 99, 0, 24), "of 6to4 relays"),
    (v4(192, 168, 0, 0, 16), "private"),
    (v4(192, 175, 48, 0, 24), "of AS112"),
    (v4(198, 18, 0, 0, 15), "for benchmarking"),
    (v4(198, 51, 100, 0, 24), "for documentation"),
    (v4(203, 0, 113, 0, 24), "for documentation"),
    (v4(224, 0, 0, 0, 4), "multicast"),
    (v4(255, 255, 255, 255, 32), "broadcast"),
    (v4(240, 0, 0, 0, 4), "reserved"),
    (v6([0, 0, 0, 0, 0, 0], 128), "unspecified"),
    (Network { base: IpAddr::V6(Ipv6Addr::LOCALHOST), bits: 128 }, "loopback"),
    (v6([0, 0, 0, 0, 0, 0], 96), "IPv4-compatible"),
    (v6([0, 0, 0, 0, 0, 0xffff], 96), "IPv4-mapped"),
    (v6([0, 0, 0, 0, 0xffff, 0], 96), "IPv4-translated"),
    (v6([0x64, 0xff9b, 0, 0, 0, 0], 96), "of NAT64"),
    (v6([0x64, 0xff9b, 1, 0, 0, 0], 48), "of local NAT64"),
    (v6([0x100, 0, 0, 0, 0, 0], 64), "for discarding"),
    (v6([0x2001, 0, 0, 0, 0, 0], 32), "of Teredo"),
    (v6([0x2001, 2, 0, 0, 0, 0], 48), "for benchmarking"),
    (v6([0x2001, 0, 0, 0, 0, 0], 23), "reserved for protocols"),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0], 32), "for documentation"),
    (v6([0x2002, 0, 0, 0, 0, 0], 16), "of 6to4"),
    (v6([0x2620, 0x4f, 0x8000, 0, 0, 0], 48), "of AS112"),
    (v6([0x3fff, 0, 0, 0, 0, 0], 20), "for documentation"),
    (v6([0x5f00, 0, 0, 0, 0, 0], 16), "of segment routing"),
    (v6([0xfc00, 0, 0, 0, 0, 0], 7), "private"),
    (v6([0xfe80, 0, 0, 0, 0, 0], 10), "link-local"),
    (v6([0xfec0, 0, 0, 0, 0, 0], 10), "site-local"),
    (v6([0xff00, 0, 0, 0, 0, 0], 8), "multicast"),
];

/// Global unicast.
const PUBLIC_IPV6: Network = v6([0x2000, 0, 0, 0, 0, 0], 3);

/// The interface identifiers of ISATAP, which are followed by an IPv4 address (RFC 5214, section 6.1).
const ISATAP: [u32; 2] = [0x0000_5efe, 0x0200_5efe];

/// What an address is for if it is not that of a public server.
pub fn special_use(address: IpAddr) -> Option<&'static str> {
    if let Some((_, what)) = SPECIAL.iter().find(|(network, _)| network.contains(address)) {
        return Some(what);
    }
    let IpAddr::V6(address) = address else { return None };
    if !PUBLIC_IPV6.contains(address.into()) {
        return Some("reserved");
    }
    let interface = (address.to_bits() >> 32) as u32;
    ISATAP.contains(&interface).then_some("of ISATAP")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_public_servers_have_no_special_use() {
        let public = [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "128.0.0.0",
            "168.63.129.15",
            "169.253.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.0",
            "192.167.0.1",
            "198.17.0.1",
            "198.20.0.1",
            "203.0.112.1",
            "223.255.255.255",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "2a00:1450::1",
            "2001:200::1",
            "3ffe::1",
        ];
        for text in public {
            assert_eq!(special_use(text.parse().unwrap()), None, "{text}");
        }
        let special = [
            ("0.0.0.0", "of this network"),
            ("0.1.2.3", "of this network"),
            ("10.0.0.1", "private"),
            ("100.64.0.1", "shared by the customers of a provider (CGNAT)"),
            ("100.100.100.200", "shared by the customers of a provider (CGNAT)"),
            ("127.0.0.1", "loopback"),
            ("127.255.255.255", "loopback"),
            ("168.63.129.16", "of the platform of Azure"),
            ("169.254.169.254", "link-local"),
            ("172.16.0.1", "private"),
            ("172.31.255.255", "private"),
            ("192.0.0.192", "reserved for protocols"),
            ("192.0.2.1", "for documentation"),
            ("192.88.99.1", "of 6to4 relays"),
            ("192.168.1.1", "private"),
            ("198.18.0.1", "for benchmarking"),
            ("198.19.255.255", "for benchmarking"),
            ("198.51.100.1", "for documentation"),
            ("203.0.113.1", "for documentation"),
            ("224.0.0.1", "multicast"),
            ("239.255.255.250", "multicast"),
            ("240.0.0.1", "reserved"),
            ("255.255.255.255", "broadcast"),
            ("::", "unspecified"),
            ("::1", "loopback"),
            ("::7f00:1", "IPv4-compatible"),
            ("::ffff:127.0.0.1", "IPv4-mapped"),
            ("::ffff:8.8.8.8", "IPv4-mapped"),
            ("::ffff:0:7f00:1", "IPv4-translated"),
            ("64:ff9b::7f00:1", "of NAT64"),
            ("64:ff9b:1::a00:1", "of local NAT64"),
            ("100::1", "for discarding"),
            ("2001::1", "of Teredo"),
            ("2001:2::1", "for benchmarking"),
            ("2001:20::1", "reserved for protocols"),
            ("2001:db8::1", "for documentation"),
            ("2002:7f00:1::", "of 6to4"),
            ("2a00:1450::5efe:7f00:1", "of ISATAP"),
            ("2a00:1450::200:5efe:a00:1", "of ISATAP"),
            ("3fff::1", "for documentation"),
            ("4000::1", "reserved"),
            ("5f00::1", "of segment routing"),
            ("fc00::1", "private"),
            ("fd00:ec2::254", "private"),
            ("fe80::1", "link-local"),
            ("fec0::1", "site-local"),
            ("ff02::1", "multicast"),
        ];
        for (text, what) in special {
            assert_eq!(special_use(text.parse().unwrap()), Some(what), "{text}");
        }
    }

    #[test]
    fn networks_are_addresses_with_a_length() {
        let contained = [
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.4", false),
            ("0.0.0.0/0", "255.1.1.1", true),
            ("0.0.0.0/0", "::ffff:10.0.0.1", false),
            ("fd00::/8", "fd12::1", true),
            ("::/0", "10.0.0.1", false),
            ("::1/128", "::1", true),
        ];
        for (network, address, expected) in contained {
            let network = Network::parse(network).unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), expected, "{network} {address}");
        }
        for text in [
            "",
            "10",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "10.0.0.0/+8",
            "10.0.0.0/08",
            "::1/129",
            "a/8",
            "010.0.0.0/8",
            "fe80::1%eth0",
        ] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }
}

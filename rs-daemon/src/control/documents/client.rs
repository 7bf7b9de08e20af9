//! `rsctl client-config`: a configuration that a member can take over.
//!
//! In every style: our AS is not expected in the path (RFC 7947 §2.2.2), only prefixes on a list
//! go out (the list is the member's to fill, and empty at first), no default route and nothing
//! longer than the route servers let through comes in, with a limit on how much, and a password
//! is never written down.

mod styles;

use std::net::IpAddr;

use bgp_wire::{Families, Family};
use policy::LengthRange;

use crate::config::{Config, ListenAddress, MemberSession, RouteServer};
use crate::control::protocol::Refusal;

/// The styles by name.
pub const STYLES: [&str; 7] = ["bird", "frr", "openbgpd", "pathvector", "ios", "junos", "routeros"];

const BGP_PORT: u16 = 179;

/// The prefixes that a member takes where its route servers check no lengths, by family.
const USUAL_LENGTHS: [LengthRange; 2] =
    [LengthRange { min: 8, max: 24 }, LengthRange { min: 12, max: 48 }];

/// One session as the member sees it.
pub(super) struct Peering<'a> {
    pub(super) server: &'a RouteServer,
    /// A name without special characters.
    pub(super) label: String,
    pub(super) ours: &'a ListenAddress,
    pub(super) member: IpAddr,
    /// The member's own name for the interface is its own; ours is where it is likely the same.
    pub(super) interface: Option<&'a str>,
    pub(super) families: Families,
    /// IPv4 with IPv6 next hops (RFC 8950).
    pub(super) extended_next_hop: bool,
    pub(super) password: bool,
    pub(super) ttl_security: bool,
}

impl Peering<'_> {
    pub(super) fn has(&self, family: Family) -> bool {
        self.families.contains(family)
    }

    /// `%eth1` where the address is link-local.
    pub(super) fn zone(&self) -> String {
        self.interface.map_or_else(String::new, |name| format!("%{name}"))
    }

    /// What a port other than BGP's is written with.
    pub(super) fn port(&self) -> Option<u16> {
        (self.ours.port != BGP_PORT).then_some(self.ours.port)
    }
}

/// What all styles need.
pub(super) struct Client<'a> {
    pub(super) exchange: &'a str,
    pub(super) asn: u32,
    pub(super) name: &'a str,
    pub(super) peerings: Vec<Peering<'a>>,
}

impl Client<'_> {
    pub(super) fn has(&self, family: Family) -> bool {
        self.peerings.iter().any(|peering| peering.has(family))
    }

    /// The shortest and the longest prefix that the member should take: what its route servers
    /// let through, but never a default route.
    pub(super) fn lengths(&self, family: Family) -> LengthRange {
        let index = usize::from(family == Family::V6);
        let import = |peering: &Peering<'_>| peering.server.import.clone();
        let blackhole = self.peerings.iter().any(|peering| import(peering).blackhole);
        let range = self
            .peerings
            .iter()
            .filter_map(|peering| import(peering).prefix_length[index])
            .reduce(|a, b| LengthRange { min: a.min.min(b.min), max: a.max.max(b.max) })
            .unwrap_or(USUAL_LENGTHS[index]);
        let whole = if family == Family::V4 { 32 } else { 128 };
        LengthRange { min: range.min.max(1), max: if blackhole { whole } else { range.max } }
    }
}

/// The configuration of the member with `asn`, in the syntax of `style`.
///
/// # Errors
/// When the AS is no member or the style is not known.
pub fn client_config(config: &Config, asn: u32, style: &str) -> Result<String, Refusal> {
    let mut sessions = config.sessions().filter(|session| session.asn.0 == asn).peekable();
    let Some(first) = sessions.peek() else {
        return Err(Refusal::not_found(format!("AS{asn} is no member with a session")));
    };
    let name = config.members.get(first.member).map_or("", |member| &*member.name);
    let client = Client {
        exchange: &config.exchange.name,
        asn,
        name,
        peerings: sessions.filter_map(|session| peering(config, session)).collect(),
    };
    Ok(match style {
        "bird" => styles::bird(&client),
        "frr" => styles::frr(&client),
        "openbgpd" => styles::openbgpd(&client),
        "pathvector" => styles::pathvector(&client),
        "ios" => styles::ios(&client),
        "junos" => styles::junos(&client),
        "routeros" => styles::routeros(&client),
        _ => {
            let text = format!("there is no style {style:?}; there are:");
            return Err(Refusal {
                choices: STYLES.map(str::to_owned).to_vec(),
                ..Refusal::not_found(text)
            });
        }
    })
}

fn peering<'a>(config: &'a Config, session: &'a MemberSession) -> Option<Peering<'a>> {
    let server = config.route_servers.get(session.route_server)?;
    let member = session.key.address;
    let link_local = session.key.interface.is_some();
    // The address of ours that the member's can talk to: same family, same scope.
    let ours = server
        .listen
        .iter()
        .find(|ours| {
            ours.address.is_ipv4() == member.is_ipv4() && ours.interface.is_some() == link_local
        })
        .or_else(|| server.listen.iter().find(|o| o.address.is_ipv4() == member.is_ipv4()))?;
    // A member that peers over IPv4 as well has its IPv4 routes there, and only there.
    let twice = member.is_ipv6()
        && config.sessions().any(|other| {
            (other.member, other.route_server) == (session.member, session.route_server)
                && other.key.address.is_ipv4()
                && other.families.contains(Family::V4)
        });
    let mut families = session.families;
    if twice && families.contains(Family::V6) {
        families = Families::only(Family::V6);
    }
    let family = if member.is_ipv4() { "v4" } else { "v6" };
    let label: String = format!("{}_{family}_{}", server.name, session.key.address)
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    Some(Peering {
        server,
        label,
        ours,
        member,
        interface: session.key.interface.as_deref(),
        families,
        extended_next_hop: member.is_ipv6()
            && session.extended_next_hop
            && families.contains(Family::V4),
        password: session.password.is_some(),
        ttl_security: session.ttl_security,
    })
}

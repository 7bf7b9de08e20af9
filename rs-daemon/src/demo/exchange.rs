//! Who is at the demo exchange, and what they announce.
//!
//! Names, numbers and prefixes are made up; nothing of it leaves loopback. Sessions run between
//! addresses of 127.0.0.0/8, next hops lie in a peering LAN that does not exist, because a
//! loopback address is refused as a next hop.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use bgp_wire::{AsPath, Asn, Family, LargeCommunity, NextHop, Nlri, PathAttributes, Prefix};

/// The route servers' AS: one reserved for documentation, which never appears in a path.
pub(super) const SERVER_AS: u32 = 64_500;
/// The port of every route server; nobody needs to be root for it.
pub(super) const PORT: u16 = 10_179;
/// Loopback is 127.0.0.0/8: every route server and member has an address of its own there.
const SERVER_NET: [u8; 3] = [127, 100, 0];
/// A customer of several members: its prefix has several paths.
const SHARED_CUSTOMER: u32 = 1_009_999;
/// A transit-free network that must not stand in a path between peers.
const TRANSIT_FREE: u32 = 3356;
/// TRANSIT on a transitable route server.
const TRANSIT: LargeCommunity = large(65_530, 7);

const fn large(local1: u32, local2: u32) -> LargeCommunity {
    LargeCommunity { global: SERVER_AS, local1, local2 }
}

/// A route server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Server {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    host: u8,
}

/// The three kinds.
pub(super) const SERVERS: [Server; 3] = [
    Server { name: "rs1", kind: "regular", host: 1 },
    Server { name: "rs2", kind: "transitable", host: 2 },
    Server { name: "chaos", kind: "chaos", host: 3 },
];

impl Server {
    /// Where it listens.
    pub(super) fn address(self, port: u16) -> SocketAddr {
        let [a, b, c] = SERVER_NET;
        (Ipv4Addr::new(a, b, c, self.host), port).into()
    }
}

/// What is special about a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Habit {
    Ordinary,
    /// Announces bogons and prefixes that are too long.
    Careless,
    /// Announces somebody else's prefix.
    Hijacker,
    /// A path through a transit-free network, and one that is far too long.
    Leaker,
    /// Asks that one member does not get one of its routes.
    Choosy,
    /// Asks to be prepended.
    Prepender,
    /// Announces one prefix to one member only.
    Private,
    /// Next hop of somebody else.
    Elsewhere,
    /// Forges informational communities.
    Forger,
    /// Comes and goes with one prefix.
    Restless,
    /// Sells transit at the transitable route server.
    Sponsor,
}

/// A member.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) asn: u32,
    pub(super) name: &'static str,
    host: u8,
    habit: Habit,
    servers: &'static [&'static str],
}

const fn member(
    host: u8,
    name: &'static str,
    habit: Habit,
    servers: &'static [&'static str],
) -> Member {
    Member { asn: 1_000_000 + host as u32, name, host, habit, servers }
}

const ALL: &[&str] = &["rs1", "rs2", "chaos"];
const TWO: &[&str] = &["rs1", "rs2"];
const ONE: &[&str] = &["rs1"];

/// The dozen.
pub(super) const MEMBERS: [Member; 12] = [
    member(10, "Alder Broadband", Habit::Ordinary, TWO),
    member(20, "Birch Hosting", Habit::Ordinary, ALL),
    member(30, "Cedar Transit", Habit::Sponsor, TWO),
    member(40, "Dogwood University", Habit::Restless, ONE),
    member(50, "Elm Media", Habit::Choosy, TWO),
    member(60, "Fir Cable", Habit::Prepender, ONE),
    member(70, "Ginkgo Research", Habit::Leaker, ALL),
    member(80, "Hazel Telecom", Habit::Hijacker, ONE),
    member(90, "Iroko Cloud", Habit::Careless, ALL),
    member(100, "Juniper Gardens", Habit::Private, ONE),
    member(110, "Kapok Games", Habit::Forger, TWO),
    member(120, "Larch Wireless", Habit::Elsewhere, ONE),
];

/// One UPDATE's worth.
#[derive(Clone, Debug)]
pub(super) struct Announcement {
    pub(super) attributes: PathAttributes,
    pub(super) nlri: Vec<Nlri>,
    pub(super) family: Family,
}

impl Member {
    /// Where its sessions come from.
    pub(super) fn source(self) -> IpAddr {
        Ipv4Addr::new(127, 100, 1, self.host).into()
    }

    /// Its BGP Identifier, and its address on the LAN that is not there.
    pub(super) fn router_id(self) -> Ipv4Addr {
        Ipv4Addr::new(192, 0, 2, self.host)
    }

    /// What stands for its AS in communities of 16 bits.
    fn alias(self) -> u16 {
        64_600 + u16::from(self.host)
    }

    pub(super) fn servers(self) -> impl Iterator<Item = Server> {
        SERVERS.into_iter().filter(move |server| self.servers.contains(&server.name))
    }

    fn next_hop(self, family: Family) -> NextHop {
        match family {
            Family::V4 => NextHop::V4(self.router_id()),
            Family::V6 => NextHop::V6 {
                global: Some(Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, self.host.into())),
                link_local: None,
            },
        }
    }

    /// A route of its own or of somebody behind it.
    fn route(self, path: &[u32], prefixes: &[Prefix]) -> Announcement {
        let family = prefixes.first().map_or(Family::V4, Prefix::family);
        let path: Vec<_> = std::iter::once(self.asn).chain(path.iter().copied()).map(Asn).collect();
        Announcement {
            attributes: PathAttributes::new(AsPath::from_sequence(&path), self.next_hop(family)),
            nlri: prefixes.iter().map(|&prefix| Nlri { prefix, path_id: 0 }).collect(),
            family,
        }
    }

    fn own_v4(self, third: u8, len: u8) -> Prefix {
        v4([62, self.host, third, 0], len)
    }

    fn own_v6(self, second: u16, len: u8) -> Prefix {
        v6([0x2a0f, self.host.into(), second], len)
    }

    /// What it tells every route server.
    pub(super) fn announcements(self, server: Server) -> Vec<Announcement> {
        let mut all = vec![
            self.route(&[], &[self.own_v4(0, 22), self.own_v4(4, 24), self.own_v4(5, 24)]),
            self.route(&[], &[self.own_v6(0, 32), self.own_v6(1, 48)]),
            self.route(&[1_005_000 + u32::from(self.host)], &[self.own_v4(64, 20)]),
        ];
        all.extend(self.shared_customer());
        all.extend(self.habitual(server));
        all
    }

    fn shared_customer(self) -> Option<Announcement> {
        let prefix = [v4([62, 199, 0, 0], 22)];
        match self.host {
            10 | 20 => Some(self.route(&[SHARED_CUSTOMER], &prefix)),
            50 => Some(self.route(&[1_005_050, SHARED_CUSTOMER], &prefix)),
            _ => None,
        }
    }

    fn habitual(self, server: Server) -> Vec<Announcement> {
        let with = |mut route: Announcement, communities: &[LargeCommunity]| {
            route.attributes.large_communities = communities.into();
            route
        };
        let alder = MEMBERS[0].asn;
        let birch = MEMBERS[1].asn;
        match self.habit {
            Habit::Ordinary | Habit::Restless => Vec::new(),
            Habit::Careless => vec![
                self.route(&[], &[v4([10, 20, 0, 0], 16), v4([192, 168, 7, 0], 24)]),
                self.route(&[], &[self.own_v4(6, 28)]),
                self.route(&[], &[v6([0x2a0f, self.host.into(), 9], 56)]),
                self.route(&[64_512], &[self.own_v4(7, 24)]),
            ],
            Habit::Hijacker => vec![self.route(&[], &[MEMBERS[1].own_v4(4, 24)])],
            Habit::Leaker => vec![
                self.route(&[TRANSIT_FREE, 1_008_000], &[v4([62, 200, 0, 0], 20)]),
                self.route(&[1_005_070; 40], &[v4([62, 201, 0, 0], 20)]),
            ],
            Habit::Choosy => {
                vec![with(self.route(&[], &[self.own_v4(8, 24)]), &[large(0, alder)])]
            }
            Habit::Prepender => {
                vec![with(self.route(&[], &[self.own_v4(8, 24)]), &[large(102, 0)])]
            }
            Habit::Private => {
                vec![with(self.route(&[], &[self.own_v4(8, 24)]), &[large(0, 0), large(1, birch)])]
            }
            Habit::Forger => vec![with(
                self.route(&[], &[self.own_v4(8, 24)]),
                &[large(1000, 1), LargeCommunity { global: self.asn, local1: 1, local2: 1 }],
            )],
            Habit::Elsewhere => {
                let mut route = self.route(&[], &[self.own_v4(8, 24)]);
                route.attributes.next_hop = NextHop::V4(Ipv4Addr::new(198, 51, 100, 1));
                vec![route]
            }
            Habit::Sponsor if server.kind == "transitable" => {
                let prefixes: Vec<_> = (0..16).map(|n| v4([62, 210 + n, 0, 0], 16)).collect();
                let tagged = with(self.route(&[1_006_001, 1_006_002], &prefixes), &[TRANSIT]);
                let customer = [v4([62, 199, 0, 0], 22)];
                let to_customer = self.route(&[SHARED_CUSTOMER], &customer);
                vec![tagged, with(to_customer, &[TRANSIT])]
            }
            Habit::Sponsor => Vec::new(),
        }
    }

    /// A prefix that it announces and withdraws in turn.
    pub(super) fn restless(self) -> Option<Announcement> {
        (self.habit == Habit::Restless).then(|| self.route(&[], &[self.own_v4(9, 24)]))
    }
}

fn v4(address: [u8; 4], len: u8) -> Prefix {
    let bits = u128::from(u32::from_be_bytes(address)) << 96;
    from_bits(Family::V4, bits, len)
}

fn v6([a, b, c]: [u16; 3], len: u8) -> Prefix {
    let bits = u128::from(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0));
    from_bits(Family::V6, bits, len)
}

/// Lengths here are written by hand and fit; one that did not would show as a host route.
fn from_bits(family: Family, bits: u128, len: u8) -> Prefix {
    debug_assert!(len <= family.max_len());
    Prefix::from_bits(family, bits, len.min(family.max_len()))
        .unwrap_or_else(|| unreachable!("a length of at most {} is taken", family.max_len()))
}

/// A ROA payload: who may announce what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vrp {
    pub(super) prefix: Prefix,
    pub(super) max_len: u8,
    pub(super) asn: u32,
}

/// Half of the members have ROAs, the hijacked one among them; the careless one has none, so that
/// its mistakes are seen for what they are.
pub(super) fn vrps() -> Vec<Vrp> {
    let mut all = Vec::new();
    let careful = MEMBERS.iter().step_by(2).filter(|member| member.habit != Habit::Careless);
    for member in careful.chain([&MEMBERS[1]]) {
        let (v4, v6) = (member.own_v4(0, 16), member.own_v6(0, 32));
        all.push(Vrp { prefix: v4, max_len: 24, asn: member.asn });
        all.push(Vrp { prefix: v6, max_len: 48, asn: member.asn });
        let behind = 1_005_000 + u32::from(member.host);
        all.push(Vrp { prefix: member.own_v4(64, 20), max_len: 20, asn: behind });
    }
    all
}

/// The configuration that a user would have written for this exchange.
pub(super) fn configuration(http: SocketAddr, rtr: SocketAddr, socket: &Path, port: u16) -> String {
    let mut text = format!(
        "[exchange]\nname = \"Demo IX\"\nasn = {SERVER_AS}\n\
         peering_lan = [\"192.0.2.0/24\", \"2001:db8:1::/64\"]\n\n\
         [http]\nlisten = \"{http}\"\n\n\
         [control]\nsocket = {:?}\n\n\
         [[rpki.cache]]\naddress = \"{rtr}\"\npreference = 1\n",
        socket.display().to_string()
    );
    for server in SERVERS {
        let _ = write!(
            text,
            "\n[[route_server]]\nname = \"{}\"\nkind = \"{}\"\nrouter_id = \"192.0.2.{}\"\n\
             listen = [\"{}\"]\n",
            server.name,
            server.kind,
            250 + server.host,
            server.address(port)
        );
        if server.kind != "chaos" {
            // The members' addresses are loopback ones, their next hops are not.
            text.push_str("[route_server.import]\nnext_hop = \"lan\"\nirr = \"off\"\n");
        }
    }
    for member in MEMBERS {
        let _ = write!(
            text,
            "\n[[member]]\nasn = {}\nalias = {}\nname = \"{}\"\nmax_prefixes = {{ v4 = 50, v6 = 20 }}\n",
            member.asn,
            member.alias(),
            member.name
        );
        if member.habit == Habit::Sponsor {
            text.push_str("role = \"transit-sponsor\"\n");
        }
        let _ = write!(
            text,
            "[[member.session]]\nroute_servers = {:?}\naddress = \"{}\"\nfamilies = [\"v4\", \"v6\"]\n",
            member.servers,
            member.source()
        );
    }
    text.push_str(
        "\n[[member]]\nasn = 1000130\nalias = 64730\nname = \"Maple Networks\"\n\
         disabled = \"waits for its cross-connect\"\n\
         [[member.session]]\naddress = \"127.100.1.130\"\nfamilies = [\"v4\", \"v6\"]\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_is_one() {
        let socket = Path::new("/tmp/demo.sock");
        let http = SocketAddr::from(([127, 0, 0, 1], 9180));
        let text = configuration(http, http, socket, PORT);
        let config = match crate::config::parse(Path::new("demo"), &text) {
            Ok(config) => config,
            Err(errors) => {
                let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
                panic!("{}\n{text}", errors.join("\n"));
            }
        };
        assert_eq!(config.route_servers.len(), 3);
        let speaking: usize = MEMBERS.iter().map(|member| member.servers().count()).sum();
        assert_eq!(config.sessions().count(), speaking + 1);
    }

    #[test]
    fn every_member_announces_both_families() {
        for member in MEMBERS {
            for server in member.servers() {
                let all = member.announcements(server);
                for family in Family::ALL {
                    assert!(all.iter().any(|a| a.family == family), "{member:?}");
                }
                assert!(all.iter().all(|a| a.nlri.iter().all(|n| n.prefix.family() == a.family)));
            }
        }
    }
}

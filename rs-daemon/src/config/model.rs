//! What the program needs to run: defaults filled in, references resolved.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use bgp_wire::{Asn, Families, LinkLocalForm, Prefix};

pub use policy::{
    CheckMode, CommunityScheme, FilterMode, ImportPolicy, Inform, Kind, MedMode, NextHopMode,
    PrependTie, Role,
};

use super::{ConfigError, Secret};

/// A whole configuration. A reload compares the parts of two of these.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Every file that was read, the one named on the command line first.
    pub files: Vec<PathBuf>,
    /// The exchange.
    pub exchange: Exchange,
    /// The HTTP listener.
    pub http: Http,
    /// The control socket.
    pub control: Control,
    /// Threads.
    pub engine: Engine,
    /// What is remembered over a restart.
    pub state: State,
    /// How `max_prefixes = "dynamic"` learns.
    pub dynamic_limits: DynamicLimits,
    /// RPKI data.
    pub rpki: Rpki,
    /// IRR data, when configured.
    pub irr: Option<Irr>,
    /// What BMP collectors are told.
    pub bmp: Bmp,
    /// MRT files, when configured.
    pub mrt: Option<Mrt>,
    /// The route servers, in the order of the files.
    pub route_servers: Vec<RouteServer>,
    /// The members, in the order of the files.
    pub members: Vec<Member>,
    /// The first number that no member has, or had since the start.
    pub next_member: u32,
    /// What is allowed but probably not meant. Logged at start and by `--check`.
    pub warnings: Vec<ConfigError>,
}

impl Config {
    /// Every configured session, whatever its route server.
    pub fn sessions(&self) -> impl Iterator<Item = &MemberSession> {
        self.members.iter().flat_map(|member| &member.sessions)
    }

    /// The sessions of one route server (an index into `route_servers`).
    pub fn sessions_of(&self, route_server: usize) -> impl Iterator<Item = &MemberSession> {
        self.sessions().filter(move |session| session.route_server == route_server)
    }

    /// The session of that identity.
    #[must_use]
    pub fn session(&self, key: &SessionKey) -> Option<&MemberSession> {
        self.sessions().find(|session| session.key == *key)
    }

    /// Gives members the numbers that they have in `old`: a member is the same while it has its
    /// AS and one of its sessions. Who is new gets a number that nobody had.
    pub(crate) fn keep_member_numbers(&mut self, old: &Self) {
        let owners: HashMap<&SessionKey, &Member> = old
            .members
            .iter()
            .flat_map(|member| member.sessions.iter().map(move |one| (&one.key, member)))
            .collect();
        let mut taken = HashSet::new();
        self.next_member = old.next_member;
        for member in &mut self.members {
            let before = member
                .sessions
                .iter()
                .filter_map(|session| owners.get(&session.key))
                .find(|before| before.asn == member.asn && !taken.contains(&before.number));
            member.number = before.map_or(self.next_member, |before| before.number);
            self.next_member = self.next_member.max(member.number.saturating_add(1));
            taken.insert(member.number);
        }
    }

    /// Whether any session has a limit that follows what it announces.
    #[must_use]
    pub fn has_dynamic_limits(&self) -> bool {
        let dynamic = |limit| matches!(limit, Limit::Dynamic { .. });
        self.sessions().any(|session| dynamic(session.limits.v4) || dynamic(session.limits.v6))
    }

    /// The route server of that name: its index and itself.
    #[must_use]
    pub fn route_server(&self, name: &str) -> Option<(usize, &RouteServer)> {
        self.route_servers.iter().enumerate().find(|(_, server)| &*server.name == name)
    }
}

/// `[exchange]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Shown to people.
    pub name: String,
    /// The route servers' AS, unless one has its own.
    pub asn: Asn,
    /// Stands for the AS in standard communities.
    pub short_asn: Option<u16>,
    /// Next hops lie in here; never accepted as routes.
    pub peering_lan: Vec<Prefix>,
    /// Scope of link-local addresses written without one.
    pub interface: Option<Arc<str>>,
    /// How long a start waits for the first answer of RPKI caches and IRR sources.
    pub data_wait: Duration,
}

/// `[http]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// `None`: no HTTP at all.
    pub listen: Option<SocketAddr>,
}

/// `[control]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// The socket's path; its mode is 0660.
    pub socket: PathBuf,
    /// The group that owns the socket, if not the process's.
    pub group: Option<String>,
}

/// `[engine]`. 0 asks for the default.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Engine {
    /// Shards of the table.
    pub shards: usize,
    /// Session workers.
    pub workers: usize,
}

/// `[state]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Where it is kept.
    pub directory: PathBuf,
}

/// `[dynamic_limits]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DynamicLimits {
    /// How many days what was announced counts.
    pub period_days: u16,
    /// How long a session is established before its limit follows from what it announced.
    pub first: Duration,
}

/// `[rpki]`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Rpki {
    /// RTR caches, the most preferred first.
    pub caches: Vec<RpkiCache>,
    /// VRP files.
    pub json: Vec<PathBuf>,
}

/// `[[rpki.cache]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpkiCache {
    /// `host:port`.
    pub address: String,
    /// Lower is preferred (RFC 8210 §10).
    pub preference: u8,
}

/// `[irr]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Irr {
    /// `host:port` of a whois server that speaks the IRRd query protocol.
    pub server: Option<String>,
    /// Sources, in order of preference.
    pub sources: Vec<String>,
    /// How often sets are fetched again.
    pub refresh: Duration,
    /// Where the last good answers are kept.
    pub cache: Option<PathBuf>,
    /// RPSL files to read instead of asking a server.
    pub dump: Vec<PathBuf>,
}

/// `[bmp]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bmp {
    /// What the daemon is called there.
    pub sys_name: String,
    /// Between Statistics Reports; `None`: there are none.
    pub statistics: Option<Duration>,
    /// The collectors.
    pub collectors: Vec<BmpCollector>,
}

/// `[[bmp.collector]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BmpCollector {
    /// What it is called in logs and metrics; unique.
    pub name: Arc<str>,
    /// `host:port`.
    pub address: String,
    /// The tables that it is told.
    pub views: Vec<BmpView>,
    /// The route servers that it is told of; `None`: all.
    pub route_servers: Option<Vec<Arc<str>>>,
    /// The members whose Adj-RIB-Out it is told; `None`: all.
    pub adj_rib_out_members: Option<Vec<Asn>>,
    /// What may wait for it.
    pub queue_octets: usize,
    /// The first wait before connecting again.
    pub retry: Duration,
    /// The longest one.
    pub retry_max: Duration,
}

/// A table that a BMP collector is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BmpView {
    /// What members send.
    AdjRibInPre,
    /// What policy lets through of that.
    AdjRibInPost,
    /// The best route of each prefix.
    LocRib,
    /// What members are sent.
    AdjRibOut,
}

/// `[mrt]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mrt {
    /// Where the files go.
    pub directory: PathBuf,
    /// Between tables; `None`: only when asked for.
    pub tables: Option<Duration>,
    /// How long a file of UPDATEs is; `None`: there is none.
    pub updates: Option<Duration>,
    /// The route servers whose tables and UPDATEs are written; `None`: all.
    pub route_servers: Option<Vec<Arc<str>>>,
    /// Tables have path identifiers.
    pub path_identifiers: bool,
}

/// `[[route_server]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteServer {
    /// Unique.
    pub name: Arc<str>,
    /// What it is for.
    pub kind: Kind,
    /// Its AS.
    pub asn: Asn,
    /// Stands for the AS in standard communities; `None`: those are off.
    pub short_asn: Option<u16>,
    /// BGP Identifier.
    pub router_id: Ipv4Addr,
    /// Where it listens.
    pub listen: Vec<ListenAddress>,
    /// After our own restart: how long members may keep our routes (RFC 4724).
    pub restart_time: Duration,
    /// Which routes' MED are compared.
    pub med: MedMode,
    /// Prefer the route that is longest here (RFC 5004).
    pub prefer_oldest: bool,
    /// `[route_server.import]`, over the defaults of its kind.
    pub import: Arc<ImportPolicy>,
    /// Prefixes refused from everybody (row 11 of the checks).
    pub blacklist: Vec<Prefix>,
    /// Prefix limits, unless a member has its own.
    pub limits: PrefixLimits,
    /// The limits of a transit sponsor.
    pub sponsor_limits: PrefixLimits,
    /// `[route_server.export]`.
    pub export: ExportRules,
    /// `[route_server.communities]`: the patterns.
    pub communities: CommunityScheme,
    /// Which informational communities are added on import.
    pub inform: Inform,
    /// Which of several prepend requests of one kind counts.
    pub prepend_tie: PrependTie,
    /// A prepend request aimed at the member's own AS is read as aimed at all.
    pub own_asn_means_any: bool,
}

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ListenAddress {
    /// The address.
    pub address: IpAddr,
    /// The TCP port.
    pub port: u16,
    /// Scope, exactly when the address is link-local.
    pub interface: Option<Arc<str>>,
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.address, &self.interface) {
            (IpAddr::V4(address), _) => write!(f, "{address}:{}", self.port),
            (address, Some(interface)) => write!(f, "[{address}%{interface}]:{}", self.port),
            (address, None) => write!(f, "[{address}]:{}", self.port),
        }
    }
}

/// Prefix limits of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixLimits {
    /// IPv4.
    pub v4: Limit,
    /// IPv6.
    pub v6: Limit,
    /// Both families together.
    pub total: Limit,
    /// What the N+1st route does.
    pub action: LimitAction,
    /// Which routes count.
    pub count: LimitCount,
    /// With `restart`: when the session comes back.
    pub restart_after: Duration,
}

/// One limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Limit {
    /// None.
    #[default]
    Off,
    /// This many routes are allowed.
    Fixed(u32),
    /// Follows what the member announced lately.
    Dynamic {
        /// The static limit that holds until enough is known of it; `None`: no limit.
        until_learned: Option<u32>,
    },
}

/// What reaching a limit does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitAction {
    /// A warning.
    Warn,
    /// The excess is not taken.
    Block,
    /// Cease/1, back after `restart_after`.
    Restart,
    /// Cease/1, down until enabled.
    Shutdown,
}

/// Which routes count towards a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitCount {
    /// All that came, rejected ones included.
    Received,
    /// Those that passed the checks.
    Accepted,
}

/// `[route_server.export]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportRules {
    /// Control communities are obeyed and removed.
    pub communities: bool,
    /// The Partial bit is set on unknown transitive attributes.
    pub set_partial: bool,
    /// NO_EXPORT and NO_ADVERTISE stop a route here.
    pub honour_well_known: bool,
    /// Routes go to other sessions of the same AS.
    pub same_as_export: bool,
    /// The members' RPSL policies hold.
    pub rpsl: bool,
}

/// `[[member]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// What its IRR data are known by. It stays the member's over reloads, wherever the member
    /// stands in the file by then.
    pub number: u32,
    /// Several members may share one.
    pub asn: Asn,
    /// Shown to people.
    pub name: Arc<str>,
    /// Its `as_set`: as-sets and AS numbers; empty: its own AS.
    pub as_set: Vec<String>,
    /// Its role on transitable servers.
    pub role: Role,
    /// What is withheld from it where a server checks per member.
    pub filter: FilterMode,
    /// Stands for a 32-bit AS in standard communities.
    pub alias: Option<u16>,
    /// A looking-glass feed: gets everything, may send nothing.
    pub collector: bool,
    /// Its RPSL policy holds, where the route server looks at them.
    pub rpsl: bool,
    /// Where it is, for the informational community of that name.
    pub location: Option<u32>,
    /// A transit sponsor that wants the other sponsors' transit routes.
    pub receive_transit: bool,
    /// One entry for each address and route server.
    pub sessions: Vec<MemberSession>,
}

/// What makes a session the same session after a reload.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionKey {
    /// The route server's name.
    pub route_server: Arc<str>,
    /// The member's address.
    pub address: IpAddr,
    /// Scope, exactly when the address is link-local.
    pub interface: Option<Arc<str>>,
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.route_server, self.address)?;
        self.interface.as_ref().map_or(Ok(()), |interface| write!(f, "%{interface}"))
    }
}

/// A master key tuple of TCP-AO (RFC 5925 §3.1) for one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpAo {
    /// KeyID of what we send.
    pub send_id: u8,
    /// KeyID of what the peer sends.
    pub receive_id: u8,
    /// How segments are authenticated.
    pub algorithm: AoAlgorithm,
    /// The master key.
    pub key: Secret,
}

/// RFC 5926 §3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AoAlgorithm {
    /// HMAC-SHA-1-96.
    #[default]
    HmacSha1,
    /// AES-128-CMAC-96.
    Aes128Cmac,
}

/// One session of one member on one route server; a `[[member.session]]` with two route
/// servers makes two of these.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberSession {
    /// Identity across reloads.
    pub key: SessionKey,
    /// Index into [`Config::route_servers`].
    pub route_server: usize,
    /// Index into [`Config::members`].
    pub member: usize,
    /// The member's AS.
    pub asn: Asn,
    /// On a global address: the member's registered link-local address.
    pub link_local: Option<Ipv6Addr>,
    /// The port we connect to when not passive.
    pub port: u16,
    /// TCP MD5 (RFC 2385).
    pub password: Option<Secret>,
    /// TCP-AO (RFC 5925); never beside a password.
    pub tcp_ao: Option<TcpAo>,
    /// GTSM (RFC 5082).
    pub ttl_security: bool,
    /// We never connect, only the member does.
    pub passive: bool,
    /// Offered by MP-BGP.
    pub families: Families,
    /// RFC 8950 is offered.
    pub extended_next_hop: bool,
    /// RFC 7911: we offer to send several paths.
    pub add_path_send: bool,
    /// How link-local next hops are written to this member.
    pub link_local_next_hop: LinkLocalForm,
    /// RFC 8654 is offered.
    pub extended_messages: bool,
    /// Proposed hold time.
    pub hold_time: Duration,
    /// RFC 9687; zero: never; `None`: the larger of 8 minutes and twice the hold time.
    pub send_hold_time: Option<Duration>,
    /// Between our attempts to connect.
    pub connect_retry: Duration,
    /// RFC 4724 and RFC 8538.
    pub graceful_restart: bool,
    /// RFC 9494: how long stale routes live on at most; `None`: off.
    pub llgr: Option<Duration>,
    /// RFC 9234: we take the role of a route server.
    pub role_rfc9234: bool,
    /// Kept down, and why.
    pub disabled: Option<Arc<str>>,
    /// What is checked on import: the member's rules over the route server's.
    pub import: Arc<ImportPolicy>,
    /// Prefix limits.
    pub limits: PrefixLimits,
}

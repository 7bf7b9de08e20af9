//! What the rest of the program (control socket, HTTP, metrics) sees of a running route server.
//!
//! Plain values, copied out of the threads that own the originals; every type serialises, and the
//! JSON of `rsctl --json` and `/api/v1` is made of them.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// A session's name: the route server and the peer's address with its zone.
///
/// The same peer address may stand once on each route server, and the same link-local address once
/// on each interface.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SessionId {
    /// Name of the route server.
    pub route_server: Arc<str>,
    /// The peer's address.
    pub address: IpAddr,
    /// Interface of a link-local address.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub interface: Option<Arc<str>>,
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.route_server, self.address)?;
        match &self.interface {
            Some(interface) => write!(f, "%{interface}"),
            None => Ok(()),
        }
    }
}

/// Where a session stands, in the words of RFC 4271 §8.2.2, plus the two ways of being kept down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionState {
    /// Not trying.
    Idle,
    /// Trying to reach the peer.
    Connect,
    /// Waiting for the peer to connect.
    Active,
    /// OPEN sent.
    OpenSent,
    /// OPEN accepted, waiting for the first KEEPALIVE.
    OpenConfirm,
    /// Routes flow.
    Established,
    /// Kept down by the configuration, an operator or a prefix limit (the reason says which).
    Disabled,
}

impl SessionState {
    /// Every state, for metrics that have one series for each.
    pub const ALL: [Self; 7] = [
        Self::Idle,
        Self::Connect,
        Self::Active,
        Self::OpenSent,
        Self::OpenConfirm,
        Self::Established,
        Self::Disabled,
    ];

    /// The state's name as serialised.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Connect => "connect",
            Self::Active => "active",
            Self::OpenSent => "open-sent",
            Self::OpenConfirm => "open-confirm",
            Self::Established => "established",
            Self::Disabled => "disabled",
        }
    }
}

/// All of one session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SessionStatus {
    /// Its name.
    pub id: SessionId,
    /// Slot in the route server's peer sets.
    pub slot: u16,
    /// Index of its `[[member]]` entry in the configuration in force.
    pub member: u32,
    /// The member's AS.
    pub asn: u32,
    /// The member's name.
    pub name: Arc<str>,
    /// Where it stands.
    pub state: SessionState,
    /// Why it is kept down, where it is.
    pub disabled: Option<String>,
    /// When it entered this state.
    #[serde(with = "super::shape::time")]
    pub since: SystemTime,
    /// How often it went down after having been established.
    pub flaps: u64,
    /// Why it went down last, or could not come up since, as a sentence.
    pub last_down: Option<String>,
    /// When that was.
    #[serde(with = "super::shape::maybe_time")]
    pub last_down_at: Option<SystemTime>,
    /// The last NOTIFICATION either way.
    pub last_notification: Option<NotificationStatus>,
    /// When the timers that run end.
    #[serde(default)]
    pub timers: TimerStatus,
    /// Facts of the established session.
    pub negotiated: Option<NegotiatedStatus>,
    /// The two ends of the established connection.
    pub local: Option<SocketAddr>,
    /// The peer's end of the connection.
    pub remote: Option<SocketAddr>,
    /// Messages by direction and type.
    pub messages: MessageCounters,
    /// NOTIFICATIONs by direction, code and subcode; a bounded number of kinds.
    pub notifications: Vec<NotificationCount>,
    /// UPDATEs with faults, by RFC 7606 action.
    pub malformed: MalformedCounters,
    /// Routes, by family (index 0: IPv4, 1: IPv6).
    #[serde(with = "super::shape::by_family")]
    pub routes: [RouteCounters; 2],
    /// Prefix limits by family, where set.
    #[serde(with = "super::shape::by_family")]
    pub limits: [Option<u32>; 2],
    /// The prefix limit on both families together, where set.
    #[serde(default)]
    pub limit_total: Option<u32>,
    /// Prefixes that count towards the limits by family: those received, or those accepted, as
    /// configured.
    #[serde(default, with = "super::shape::by_family")]
    pub counted: [u64; 2],
    /// What limits that follow the member's announcements follow from, by family, where they do.
    #[serde(with = "super::shape::by_family")]
    pub dynamic_limits: [Option<LearnedLimit>; 2],
    /// Octets queued for the peer.
    pub send_queue_octets: u64,
    /// NLRI that changed while the peer did not drain its queue.
    pub dirty_nlri: u64,
    /// Whether nothing is sent to it yet, since we have restarted and other members' routes are
    /// missing (RFC 4724 §4.1).
    pub held: bool,
    /// Whether the peer is behind and being brought up to date by resync.
    pub lagging: bool,
    /// Which worker thread owns it.
    pub worker: u16,
}

/// What is known of what a session announces (`max_prefixes = "dynamic"`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LearnedLimit {
    /// The most prefixes that it announced in the learning period.
    pub highest: u32,
    /// On how many days of the period it was established.
    pub days: u32,
    /// How long it was established while somebody looked.
    pub watched_secs: u64,
    /// Not long enough yet: the static limit holds.
    pub learning: bool,
}

/// When the timers of a session that run end, to the second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerStatus {
    /// IdleHoldTimer: until then nothing is tried, and no connection of the peer taken (RFC 4271
    /// §8.1.1).
    #[serde(default, with = "super::shape::maybe_time")]
    pub idle_hold: Option<SystemTime>,
    /// ConnectRetryTimer: our next attempt to connect.
    #[serde(default, with = "super::shape::maybe_time")]
    pub connect_retry: Option<SystemTime>,
    /// HoldTimer: the peer has to say something until then.
    #[serde(default, with = "super::shape::maybe_time")]
    pub hold: Option<SystemTime>,
    /// KeepaliveTimer: our next KEEPALIVE.
    #[serde(default, with = "super::shape::maybe_time")]
    pub keepalive: Option<SystemTime>,
    /// SendHoldTimer: the peer has to read something until then (RFC 9687).
    #[serde(default, with = "super::shape::maybe_time")]
    pub send_hold: Option<SystemTime>,
}

/// A NOTIFICATION as seen or sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationStatus {
    /// Whether we sent it.
    pub sent: bool,
    /// RFC 4271 §4.5 error code.
    pub code: u8,
    /// RFC 4271 §4.5 error subcode.
    pub subcode: u8,
    /// As a sentence, with the RFC 9003 text where there is one.
    pub text: String,
    /// When.
    #[serde(with = "super::shape::time")]
    pub at: SystemTime,
}

/// How often a NOTIFICATION went one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationCount {
    /// Whether we sent it.
    pub sent: bool,
    /// RFC 4271 §4.5 error code; 255 for kinds beyond those that are told apart.
    pub code: u8,
    /// RFC 4271 §4.5 error subcode.
    pub subcode: u8,
    /// How often.
    pub count: u64,
}

/// What the two ends agreed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NegotiatedStatus {
    /// The peer's BGP identifier.
    pub router_id: std::net::Ipv4Addr,
    /// Hold time in seconds; 0 means no keepalives.
    pub hold_time_secs: u64,
    /// Keepalive interval in seconds.
    pub keepalive_secs: u64,
    /// Families in use ("ipv4", "ipv6").
    pub families: Vec<String>,
    /// RFC 8950.
    pub extended_next_hop: bool,
    /// Families for which we send several paths (RFC 7911).
    pub add_path_send: Vec<String>,
    /// RFC 8654.
    pub extended_message: bool,
    /// RFC 6793.
    pub four_octet_as: bool,
    /// RFC 2918.
    pub route_refresh: bool,
    /// RFC 7313.
    pub enhanced_route_refresh: bool,
    /// Every capability we offered.
    pub local_capabilities: Vec<String>,
    /// Every capability the peer offered.
    pub peer_capabilities: Vec<String>,
}

/// Messages of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectionCounters {
    /// OPEN.
    pub open: u64,
    /// UPDATE.
    pub update: u64,
    /// NOTIFICATION.
    pub notification: u64,
    /// KEEPALIVE.
    pub keepalive: u64,
    /// ROUTE-REFRESH.
    pub route_refresh: u64,
    /// Octets of all of them.
    pub octets: u64,
}

/// Messages of both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageCounters {
    /// From the peer.
    pub received: DirectionCounters,
    /// To the peer.
    pub sent: DirectionCounters,
}

/// Faults by RFC 7606 §2 action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MalformedCounters {
    /// Attribute discard.
    pub attribute_discard: u64,
    /// Treat-as-withdraw.
    pub treat_as_withdraw: u64,
    /// AFI/SAFI disable.
    pub afi_safi_disable: u64,
    /// Session reset.
    pub session_reset: u64,
}

/// Routes of one session and family.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteCounters {
    /// In Adj-RIB-In.
    pub received: u64,
    /// Of these, eligible.
    pub accepted: u64,
    /// Of the accepted, those that come first for their prefix.
    #[serde(default)]
    pub best: u64,
    /// Of the received, not eligible.
    pub filtered: u64,
    /// In Adj-RIB-Out.
    pub exported: u64,
    /// Announced above the prefix limit and therefore not in Adj-RIB-In (action `block`), ever.
    #[serde(default)]
    pub refused: u64,
    /// Filtered, by reason (kebab-case name, number), zeros left out.
    pub filtered_by_reason: Vec<(String, u64)>,
    /// Received, by what was done to them on their way in (kebab-case name, number), zeros left
    /// out: `transit`, `transit-tagged`, `transit-scrubbed`, `scrubbed`, `link-local-stripped`;
    /// and as `transit-withheld` the transit routes that this session is not sent.
    #[serde(default)]
    pub marked: Vec<(String, u64)>,
}

/// A prefix limit that holds, and how far it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitUse {
    /// `ipv4`, `ipv6`, or `all` for both together.
    pub families: &'static str,
    /// Prefixes that count towards it.
    pub counted: u64,
    /// The limit.
    pub limit: u32,
}

impl LimitUse {
    /// Is it as good as reached?
    #[must_use]
    pub fn is_near(&self) -> bool {
        // A family that may announce nothing and does not is as it should be.
        self.counted > 0 && self.counted * 100 >= u64::from(self.limit) * rib::NEAR_LIMIT_PERCENT
    }
}

impl SessionStatus {
    /// The limits that hold.
    pub fn limit_uses(&self) -> impl Iterator<Item = LimitUse> {
        let [v4, v6] = self.counted;
        let all = [
            ("ipv4", v4, self.limits[0]),
            ("ipv6", v6, self.limits[1]),
            ("all", v4 + v6, self.limit_total),
        ];
        all.into_iter().filter_map(|(families, counted, limit)| {
            limit.map(|limit| LimitUse { families, counted, limit })
        })
    }
}

/// One route server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RouteServerStatus {
    /// Its name.
    pub name: Arc<str>,
    /// Its kind, as configured.
    pub kind: String,
    /// Its AS.
    pub asn: u32,
    /// Its BGP identifier.
    pub router_id: std::net::Ipv4Addr,
    /// Where it listens.
    pub listeners: Vec<ListenerStatus>,
    /// Sessions configured.
    pub sessions_configured: u32,
    /// Sessions established.
    pub sessions_established: u32,
    /// After our own restart: how many members' routes are waited for before members that keep
    /// ours are sent anything. None: nobody is held back.
    pub restart_awaits: Option<u32>,
    /// Policy epoch in force.
    pub epoch: u64,
    /// Routes over all sessions, by family (`exported` counts each receiving member).
    #[serde(with = "super::shape::by_family")]
    pub routes: [RouteCounters; 2],
    /// Destinations with at least one eligible route, by family.
    #[serde(with = "super::shape::by_family")]
    pub destinations: [u64; 2],
}

/// One listening socket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListenerStatus {
    /// Its address.
    pub address: SocketAddr,
    /// Interface of a link-local address.
    pub interface: Option<Arc<str>>,
    /// Connections from unconfigured addresses.
    pub refused_unconfigured: u64,
    /// Connections refused because the peer, or the process, had too many.
    pub refused_limit: u64,
    /// Accepted and handed to a session.
    pub accepted: u64,
}

/// The process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DaemonStatus {
    /// Name of the exchange.
    #[serde(default)]
    pub exchange: String,
    /// Version of the program.
    pub version: String,
    /// When it started.
    #[serde(with = "super::shape::time")]
    pub started: SystemTime,
    /// When a configuration was last loaded with success.
    #[serde(with = "super::shape::time")]
    pub last_reload: SystemTime,
    /// Whether the last attempt to load one succeeded.
    pub last_reload_success: bool,
    /// Session worker threads.
    pub workers: u16,
    /// Shard threads.
    pub shards: u16,
    /// Sessions configured, over all route servers.
    pub sessions_configured: u32,
    /// Sessions established, over all route servers.
    pub sessions_established: u32,
    /// Whether what is to survive a restart could be written when it was tried last.
    pub state_written: bool,
    /// How often the machine's clock was seen to jump, by more than ten minutes.
    pub clock_jumps: u64,
    /// Whether `rsctl drain on` is in force.
    pub draining: bool,
    /// Whether listeners are up (and, where RPKI is configured, first data came or was given up).
    pub ready: bool,
    /// Resident memory in octets.
    pub resident_octets: u64,
    /// Messages waiting in each shard's inbox (cost in NLRI).
    pub shard_inbox: Vec<u64>,
    /// Segments that the kernel has dropped for their signature.
    #[serde(default)]
    pub signature_failures: SignatureFailures,
    /// The control socket.
    #[serde(default)]
    pub control: Option<LocalSocketStatus>,
    /// HTTP, where configured.
    #[serde(default)]
    pub http: Option<LocalSocketStatus>,
}

/// Segments that the kernel has dropped for their signature, in our network namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignatureFailures {
    /// TCP MD5 signatures that are wrong: another password.
    pub md5_wrong: u64,
    /// None where a password is configured.
    pub md5_missing: u64,
    /// One where none is configured.
    pub md5_unexpected: u64,
    /// TCP-AO signatures that are wrong: another key.
    pub ao_wrong: u64,
    /// KeyIDs of TCP-AO that nobody has.
    pub ao_unknown_key: u64,
    /// None where a key of TCP-AO is configured.
    pub ao_missing: u64,
}

/// A socket that is not for members. Numbers are since the start of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalSocketStatus {
    /// Clients can connect.
    pub listening: bool,
    /// How often it could not be listened on.
    pub bind_failures: u64,
    /// How often a connection could not be accepted.
    pub accept_failures: u64,
    /// How often its file was found missing or replaced.
    pub lost: u64,
    /// Clients told that there are too many.
    pub refused: u64,
}

/// Who monitors the route servers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MonitoringStatus {
    /// BMP collectors, in the order of the configuration.
    pub bmp: Vec<BmpCollectorStatus>,
    /// How often changes found no room on their way to the collectors.
    pub bmp_lost: u64,
    /// MRT files, where configured.
    pub mrt: Option<MrtStatus>,
}

/// A BMP collector. Numbers are since it was configured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BmpCollectorStatus {
    /// Its name.
    pub name: String,
    /// Its address and port.
    pub address: String,
    /// The tables that it is told.
    pub views: Vec<String>,
    /// There is a connection.
    pub connected: bool,
    /// It has been told the tables, and now hears of changes only.
    pub synced: bool,
    /// Connections that came about.
    pub connections: u64,
    /// Of these, ended by us because it took its octets too slowly.
    pub too_slow: u64,
    /// Of these, ended by us because changes were lost.
    pub lost_changes: u64,
    /// Octets sent.
    pub sent_octets: u64,
    /// Octets that wait to be sent.
    pub queued_octets: u64,
}

/// MRT files. Numbers are since the start of the process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MrtStatus {
    /// What was tried last with a file succeeded.
    pub writable: bool,
    /// Records written.
    pub records: u64,
    /// Octets of them.
    pub octets: u64,
    /// Records lost.
    pub dropped: u64,
    /// Failures to make, write or rename a file.
    pub errors: u64,
    /// When a table was completed last.
    #[serde(with = "super::shape::maybe_time")]
    pub last_table: Option<SystemTime>,
    /// When a file of UPDATEs was completed last.
    #[serde(with = "super::shape::maybe_time")]
    pub last_updates: Option<SystemTime>,
}

/// A histogram with fixed bounds, cumulative as Prometheus wants it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct HistogramSnapshot {
    /// Upper bounds in seconds; an implicit `+Inf` follows.
    pub bounds: Vec<f64>,
    /// Cumulative counts, one for each bound, then the total.
    pub cumulative: Vec<u64>,
    /// Sum of observations in seconds.
    pub sum_secs: f64,
}

/// Numbers of the engine that belong to no session.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct EngineCounters {
    /// Time a worker spent writing queues to sockets in one turn.
    pub flush_duration: HistogramSnapshot,
    /// From octets read to octets queued at the other members.
    pub propagation: HistogramSnapshot,
    /// Batches that shards published.
    pub batches: u64,
    /// Times that a shard-to-worker lane was full and NLRI were kept instead of octets.
    pub lagged: u64,
    /// Times a session stopped reading because a shard's inbox was full.
    pub inbox_full: u64,
    /// Tasks of the workers that are alive: sessions, attempts to connect, closing connections.
    pub tasks: u64,
}

/// State of the outside data that policy uses.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DataStatus {
    /// RTR caches and VRP files.
    pub rpki: Vec<RpkiSourceStatus>,
    /// VRPs in force.
    pub vrps: u64,
    /// ASPA records in force.
    pub aspas: u64,
    /// IRR sets.
    pub irr: Vec<IrrSetStatus>,
    /// RPSL policies of the members, where they hold.
    #[serde(default)]
    pub rpsl: Vec<RpslPolicyStatus>,
    /// How it goes with fetching sets and policies, where an IRR source is configured.
    #[serde(default)]
    pub irr_refresh: Option<IrrRefreshStatus>,
}

/// How it goes with fetching IRR data.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IrrRefreshStatus {
    /// When it succeeded last.
    #[serde(with = "super::shape::maybe_time")]
    pub last_success: Option<SystemTime>,
    /// Why it failed the last time, if it did.
    pub last_error: Option<String>,
    /// How often it has failed.
    pub failures: u64,
    /// Whether answers could be kept on disk when it was tried last.
    pub cache_written: bool,
}

/// One RTR cache or VRP file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RpkiSourceStatus {
    /// Address of the cache or path of the file.
    pub name: String,
    /// "connected", "connecting", "failed", "file".
    pub state: String,
    /// Whether this one's data is in force.
    pub active: bool,
    /// Preference, lower first.
    pub preference: u32,
    /// RTR protocol version.
    pub version: Option<u8>,
    /// RTR session id.
    pub session: Option<u16>,
    /// RTR serial.
    pub serial: Option<u32>,
    /// VRPs from it.
    pub vrps: u64,
    /// ASPA records from it.
    pub aspas: u64,
    /// Last End of Data or file load.
    #[serde(with = "super::shape::maybe_time")]
    pub last_sync: Option<SystemTime>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// Sessions and attempts to connect that ended with an error, of caches.
    #[serde(default)]
    pub failures: Option<u64>,
}

/// One member's IRR set.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IrrSetStatus {
    /// As configured, sources included.
    pub name: String,
    /// Who gave the answer in force.
    #[serde(default)]
    pub source: String,
    /// Members that name it.
    #[serde(default)]
    pub members: u64,
    /// Origin ASNs.
    pub asns: u64,
    /// Prefixes, by family.
    #[serde(with = "super::shape::by_family")]
    pub prefixes: [u64; 2],
    /// When the answer in force was fetched.
    #[serde(with = "super::shape::maybe_time")]
    pub fetched: Option<SystemTime>,
    /// Whether it comes from the disk cache, or is older than it should be because the server is
    /// away.
    pub stale: bool,
    /// What went wrong last.
    pub last_error: Option<String>,
}

/// What `rsctl irr` lists: sets, then policies.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum IrrStatus {
    /// A set.
    Set(IrrSetStatus),
    /// The RPSL policy of a member.
    Policy(RpslPolicyStatus),
}

/// One member's RPSL policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RpslPolicyStatus {
    /// Whose aut-num object.
    pub aut_num: u32,
    /// What came of it.
    pub state: crate::irr::PolicyState,
    /// Lines about our route servers.
    pub lines: u64,
    /// Who gave the answer in force.
    pub source: String,
    /// When the answer in force was fetched.
    #[serde(with = "super::shape::maybe_time")]
    pub fetched: Option<SystemTime>,
    /// Whether it comes from the disk cache, or is older than it should be because the server is
    /// away.
    pub stale: bool,
    /// Whether something is wrong with it: what cannot be understood, AS-SETs that are unknown.
    pub fault: bool,
    /// What is wrong with it, or went wrong last.
    pub last_error: Option<String>,
}

//! Every bound of the runtime: the number, its reason, and what happens when it is reached.

use std::time::Duration;

/// Octets waiting for one member above which its queue stops growing.
///
/// The octets are shared between members, so this bounds staleness more than memory: what
/// is queued and then changed again is sent twice. *When full:* the member goes dirty, only the
/// NLRI that change are kept, and it is brought up to date by resync.
pub(crate) const QUEUE_HIGH_OCTETS: usize = 4 << 20;

/// Buffers waiting for one member above which its queue stops growing, for the case of many tiny
/// batches (a handle is 32 octets whatever it points to). *When full:* as above.
pub(crate) const QUEUE_HIGH_ENTRIES: usize = 16_384;

/// A dirty member asks for resync once its queue is below this. One answer is about as large.
pub(crate) const QUEUE_LOW_OCTETS: usize = 256 << 10;

/// NLRI of one resync request. *When more are dirty:* they wait for the next round.
pub(crate) const RESYNC_NLRI: usize = 8_192;

/// Handles of changed NLRI kept for a dirty member before they are folded into one set without
/// duplicates: members that lag together share the handles, a set belongs to one.
pub(crate) const DIRTY_FOLD_NLRI: usize = 65_536;

/// Distinct NLRI kept for a dirty member and shard. *When full:* the session ends with
/// Cease/Out of Resources (RFC 4486), since nothing smaller brings the peer up to date.
pub(crate) const DIRTY_MAX_NLRI: usize = 2_000_000;

/// Octets that one shard may have under way to one worker. *When full:* the shard keeps the
/// batches' NLRI and sends them as one `Lagged` when there is room; it never waits. Answers to
/// resync requests go on top: each member has asked for one at most.
pub(crate) const LANE_OCTETS: usize = 64 << 20;

/// Octets of path attributes, as they came, that the routes of one session may hold: so many, and so
/// many for each prefix of its limit. Ordinary ones take a third of that; held they take about four
/// times what they came in. *When full:* Cease/Out of Resources (RFC 4486).
pub(crate) const ATTRIBUTE_OCTETS: usize = 16 << 20;

/// See [`ATTRIBUTE_OCTETS`].
pub(crate) const ATTRIBUTE_OCTETS_OF_PREFIX: usize = 128;

/// What stands for the prefixes of a family without a limit there.
pub(crate) const UNLIMITED_PREFIXES: usize = 2_000_000;

/// Work waiting in a shard's inbox (NLRI plus a constant for each message) above which workers
/// stop reading sockets that would add to it. *When full:* TCP's own back-pressure. A read that
/// is under way is finished, so the inbox can exceed this by one read for each session.
pub(crate) const INBOX_HIGH: usize = 131_072;

/// Workers read again once the inbox is below this.
pub(crate) const INBOX_LOW: usize = 65_536;

/// Work that a shard takes from its inbox in one turn: long enough to pack well, short enough to
/// keep the first change of the turn from waiting for the last.
pub(crate) const TURN_BUDGET: usize = 16_384;

/// Destinations a shard visits in one go while its inbox is empty (purges, walks, re-evaluation).
pub(crate) const IDLE_WORK: usize = 4_096;

/// Turns in a row that a shard may spend on a full inbox alone. *When reached:* the turn works too,
/// so that under a storm members that come up still get the table, what is stale goes and a new
/// policy takes hold, at a quarter of the pace or more.
pub(crate) const TURNS_WITHOUT_WORK: u32 = 4;

/// Routes that a shard lists between two turns for `rsctl diff`.
pub(crate) const DIFF_PAGE: usize = 2_000;

/// Octets read from one socket before the worker looks at its other sessions.
pub(crate) const READ_TURN_OCTETS: usize = 256 << 10;

/// The worker's read buffer, shared by its sessions.
pub(crate) const READ_BUFFER_OCTETS: usize = 64 << 10;

/// Octets written to one socket before the worker looks at its other sessions.
pub(crate) const WRITE_TURN_OCTETS: usize = 1 << 20;

/// Slices of one vectored write.
pub(crate) const WRITE_SLICES: usize = 64;

/// Kernel queue of a listening socket.
pub(crate) const LISTEN_BACKLOG: i32 = 1024;

/// Time between log lines about refused connections of one listener; the rest is counted.
pub(crate) const REFUSED_LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Time between log lines about malformed UPDATEs of one session. *When sooner:* the line is left
/// out and the next one says how many were; the counters have them all. The UPDATE that ends the
/// session is always said.
pub(crate) const FAULT_LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Time between log lines of one kind about the prefix limits of one session. *When sooner:* as
/// above.
pub(crate) const LIMIT_LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Time between two ROUTE-REFRESHes for routes of a family that a limit with action `block` refused.
/// *When sooner:* it is sent when the time is over.
pub(crate) const REFUSED_ASK_INTERVAL: Duration = Duration::from_secs(60);

/// Closing connections of one session that wait for the peer to take the last NOTIFICATION: each
/// holds a file descriptor for seconds. *When full:* what the socket takes at once is written, and
/// the connection is closed without waiting.
pub(crate) const LINGERING_PER_SESSION: usize = 4;

/// How long a clean shutdown waits for NOTIFICATIONs to leave.
pub(crate) const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a shutdown, once the members have their NOTIFICATIONs, waits for the disk (state files,
/// MRT files) and for BMP collectors. *When over:* it is logged, and the process ends without what
/// they should have had: the files hold what was written before.
pub(crate) const LAST_WRITES_TIMEOUT: Duration = Duration::from_secs(5);

/// After our own restart: how long members with graceful restart are told nothing while the routes
/// of others of them are missing (the selection deferral timer of RFC 4724 §4.1). *When over:* they
/// are told what there is.
pub(crate) const RESTART_DEFERRAL: Duration = Duration::from_secs(60);

/// How often it is looked whether the file has to be written that says who keeps our routes.
pub(crate) const MEMBERS_FILE: Duration = Duration::from_secs(1);

/// Pause before a state file that could not be written is tried again.
pub(crate) const STATE_RETRY: Duration = Duration::from_secs(10);

/// Time between copies of what is known of the sources of routing data.
pub(crate) const DATA_STATUS: Duration = Duration::from_secs(5);

/// Octets of changes that may wait for the BMP station, which passes them on to all collectors.
/// *When full:* changes are left out and counted, and every collector is disconnected and told
/// everything anew. No member and no shard waits.
pub(crate) const BMP_TAP_OCTETS: usize = 64 << 20;

/// Routes that a shard lists for a BMP collector or an MRT table between two turns.
pub(crate) const MONITOR_PAGE: usize = 1_000;

/// A BMP collector that takes nothing for so long is disconnected, however little waits for it.
pub(crate) const BMP_WRITE_TIMEOUT: Duration = Duration::from_secs(300);

/// How long connecting to a BMP collector may take.
pub(crate) const BMP_CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a clean shutdown waits for BMP collectors to take what is left for them.
pub(crate) const BMP_CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Octets of records that may wait for the writer of MRT files. *When full:* records are left out
/// and counted.
pub(crate) const MRT_TAP_OCTETS: usize = 32 << 20;

/// Records are handed to the disk when there are so many octets of them, or after a second.
pub(crate) const MRT_BUFFER_OCTETS: usize = 256 << 10;

/// After a file could not be written: how long nothing is tried. What comes meanwhile is lost and
/// counted.
pub(crate) const MRT_RETRY: Duration = Duration::from_secs(10);

/// The bounds that a simulation lowers, so that an exchange of a few members meets them, and what
/// else it needs otherwise.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// `QUEUE_HIGH_OCTETS`.
    pub queue_high_octets: usize,
    /// `QUEUE_HIGH_ENTRIES`.
    pub queue_high_entries: usize,
    /// `QUEUE_LOW_OCTETS`.
    pub queue_low_octets: usize,
    /// `RESYNC_NLRI`.
    pub resync_nlri: usize,
    /// `LANE_OCTETS`.
    pub lane_octets: usize,
    /// `INBOX_HIGH`.
    pub inbox_high: usize,
    /// `INBOX_LOW`.
    pub inbox_low: usize,
    /// `TURN_BUDGET`.
    pub turn_budget: usize,
    /// `IDLE_WORK`.
    pub idle_work: usize,
    /// `READ_TURN_OCTETS`.
    pub read_turn_octets: usize,
    /// `BMP_TAP_OCTETS`.
    pub bmp_tap_octets: usize,
    /// Sets of NLRI are taken in the same order in every run.
    pub repeatable: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            queue_high_octets: QUEUE_HIGH_OCTETS,
            queue_high_entries: QUEUE_HIGH_ENTRIES,
            queue_low_octets: QUEUE_LOW_OCTETS,
            resync_nlri: RESYNC_NLRI,
            lane_octets: LANE_OCTETS,
            inbox_high: INBOX_HIGH,
            inbox_low: INBOX_LOW,
            turn_budget: TURN_BUDGET,
            idle_work: IDLE_WORK,
            read_turn_octets: READ_TURN_OCTETS,
            bmp_tap_octets: BMP_TAP_OCTETS,
            repeatable: false,
        }
    }
}

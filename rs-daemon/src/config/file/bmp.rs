//! `[bmp]`.

use bgp_wire::Asn;

use crate::config::{
    BmpView,
    file::rpki::HostPort,
    report::Located,
    table::{config_table, words},
    value::Interval,
};

config_table! {
    /// What collectors of the BGP Monitoring Protocol are told (RFC 7854, RFC 8671, RFC 9069).
    /// Where there are none, nothing of this costs anything.
    BmpTable in "[bmp]" {
        /// What the daemon is called there.
        sys_name: String = "`name` of `[exchange]`",
        /// How often collectors get a Statistics Report about each session; `"off"`: never.
        statistics: Interval = "\"1m\"",
        /// The collectors, see `[[bmp.collector]]`.
        collector: Vec<Located<BmpCollectorTable>> = "[]",
    }
}

config_table! {
    /// A collector: we connect to it, tell it which members are up and what the tables that it
    /// wants hold, and then every change. One that takes its octets too slowly is disconnected
    /// and begins anew.
    BmpCollectorTable in "[[bmp.collector]]" {
        /// Its address and port.
        address: HostPort = "required",
        /// What it is called in logs, metrics and `rsctl bmp`.
        name: String = "its `address`",
        /// The tables that it is told: what members send (`adj-rib-in-pre`), what policy lets
        /// through of that (`adj-rib-in-post`, with the attributes as received: what is scrubbed
        /// and added shows in the next ones), the best route of each prefix (`loc-rib`), what
        /// members are sent (`adj-rib-out`).
        views: Vec<Located<BmpView>> = "[\"adj-rib-in-pre\"]",
        /// The route servers that it is told of.
        route_servers: Vec<Located<String>> = "all",
        /// The members whose Adj-RIB-Out it is told; the table of everybody is that of the
        /// exchange once for each member.
        adj_rib_out_members: Vec<Located<Asn>> = "all",
        /// MiB that may wait for it. One that leaves more waiting is disconnected.
        queue_mib: u32 = "64",
        /// How long to wait before connecting again after a failure, doubled each time (RFC 7854
        /// §3.2).
        retry: Interval = "\"30s\"",
        /// The longest wait.
        retry_max: Interval = "\"12m\"",
    }
}

words!(BmpView {
    "adj-rib-in-pre" => Self::AdjRibInPre,
    "adj-rib-in-post" => Self::AdjRibInPost,
    "loc-rib" => Self::LocRib,
    "adj-rib-out" => Self::AdjRibOut,
});

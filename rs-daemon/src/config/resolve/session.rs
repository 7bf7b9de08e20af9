//! What a session takes from its own table, its member's and its route server's.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use bgp_wire::{Asn, Families, Family};
use policy::ImportPolicy;

use super::limits;
use crate::config::{
    Exchange, Kind, MemberSession, SessionKey,
    file::session::{AddPath, LlgrValue, SessionOptions},
    report::{At, Located, Reports},
};

const DEFAULT_HOLD_TIME: Duration = Duration::from_secs(90);
const DEFAULT_CONNECT_RETRY: Duration = Duration::from_secs(30);
/// RFC 4271 §4.2: two octets of seconds.
const LONGEST_HOLD_TIME: Duration = Duration::from_secs(65_535);
/// RFC 4271 §6.2: one and two seconds are refused.
const SHORTEST_HOLD_TIME: Duration = Duration::from_secs(3);
/// RFC 9494 §3.1: 24 bits of seconds.
const LONGEST_STALE_TIME: Duration = Duration::from_secs((1 << 24) - 1);

/// The scope of an address: its own, else the exchange's; only link-local ones have one.
/// `None`: it lacks one, or has one that it cannot have, which has been reported.
pub(super) fn scope(
    address: IpAddr,
    written: Option<&str>,
    exchange: &Exchange,
    at: At,
    reports: &mut Reports,
) -> Option<Option<Arc<str>>> {
    let link_local = matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
    match (link_local, written) {
        (false, None) => Some(None),
        (true, Some(written)) => Some(Some(Arc::from(written))),
        (false, Some(written)) => {
            let message = format!("{address} is not link-local and has no scope");
            reports.error(at, message, format!("leave \"%{written}\" out"));
            None
        }
        (true, None) if exchange.interface.is_some() => Some(exchange.interface.clone()),
        (true, None) => {
            let message = format!("{address} is link-local: on which interface?");
            let help = format!("write \"{address}%eth1\", or set `interface` in [exchange]");
            reports.error(at, message, help);
            None
        }
    }
}

/// What is wrong with these keys wherever they stand.
pub(super) fn check_options(options: &SessionOptions, reports: &mut Reports) {
    if let Some(hold) = options.hold_time {
        let fits =
            hold.value.is_zero() || (SHORTEST_HOLD_TIME..=LONGEST_HOLD_TIME).contains(&hold.value);
        if !fits {
            let message = format!("hold_time of {} s is not possible", hold.value.as_secs());
            let help = "write \"0s\" (no keepalives) or 3 s to 65535 s (RFC 4271 §4.2)";
            reports.error(hold.at, message, help);
        }
    }
    if let Some(retry) = options.connect_retry.filter(|retry| retry.value.is_zero()) {
        reports.error(retry.at, "connect_retry is zero", "write at least \"1s\"");
    }
    if let Some(families) = &options.families
        && families.value.is_empty()
    {
        let help = "write [\"v4\"], [\"v6\"] or both, or leave the key out";
        reports.error(families.at, "families is empty", help);
    }
    if let Some(Located { value: LlgrValue(Some(time)), at }) = options.llgr {
        if time > LONGEST_STALE_TIME || time.is_zero() {
            let help = "write 1 s to 194 days, or false (RFC 9494 §3.1)";
            reports.error(at, "llgr does not fit the 24 bits it has in OPEN", help);
        }
        if options.graceful_restart.is_some_and(|graceful| !graceful.value) {
            let help = "leave out `graceful_restart = false`, or llgr";
            reports.error(at, "llgr needs graceful restart (RFC 9494 §3)", help);
        }
    }
    if let (Some(send), hold) = (options.send_hold_time, options.hold_time) {
        let hold = hold.map_or(DEFAULT_HOLD_TIME, |hold| hold.value);
        if !send.value.is_zero() && send.value <= hold {
            let message =
                format!("send_hold_time is not longer than {} s of hold time", hold.as_secs());
            reports.error(
                send.at,
                message,
                "write a longer one, or \"0s\" for never (RFC 9687 §3)",
            );
        }
    }
}

/// The keys of a session from its three tables, the nearest one first.
pub(super) struct Options<'o> {
    tables: [&'o SessionOptions; 3],
}

impl<'o> Options<'o> {
    pub(super) fn merge(tables: [&'o SessionOptions; 3]) -> Self {
        Self { tables }
    }

    fn given<T: Clone>(&self, pick: impl Fn(&SessionOptions) -> &Option<Located<T>>) -> Option<T> {
        self.tables.iter().find_map(|table| pick(table).as_ref().map(|given| given.value.clone()))
    }

    /// A session with all that these keys decide; the caller fills in the rest.
    pub(super) fn resolve(
        &self,
        address: IpAddr,
        collector: bool,
        at: At,
        reports: &mut Reports,
    ) -> MemberSession {
        let over_v6 = address.is_ipv6();
        let families = self.families(over_v6, at, reports);
        let extended_next_hop = self
            .given(|table| &table.extended_next_hop)
            .unwrap_or_else(|| over_v6 && families.contains(Family::V4));
        let add_path = if collector { AddPath::Send } else { AddPath::Off };
        MemberSession {
            hold_time: self.given(|table| &table.hold_time).unwrap_or(DEFAULT_HOLD_TIME),
            send_hold_time: self.given(|table| &table.send_hold_time),
            connect_retry: self
                .given(|table| &table.connect_retry)
                .unwrap_or(DEFAULT_CONNECT_RETRY),
            passive: self.given(|table| &table.passive).unwrap_or(true),
            ttl_security: self.given(|table| &table.ttl_security).unwrap_or(false),
            families,
            extended_next_hop,
            add_path_send: self.given(|table| &table.add_path).unwrap_or(add_path) == AddPath::Send,
            link_local_next_hop: self
                .given(|table| &table.link_local_next_hop)
                .unwrap_or(bgp_wire::LinkLocalForm::Native),
            extended_messages: self.given(|table| &table.extended_messages).unwrap_or(true),
            graceful_restart: self.given(|table| &table.graceful_restart).unwrap_or(true),
            llgr: self.given(|table| &table.llgr).and_then(|llgr| llgr.0),
            role_rfc9234: self.given(|table| &table.role_rfc9234).unwrap_or(false),
            ..blank(address)
        }
    }

    fn families(&self, over_v6: bool, at: At, reports: &mut Reports) -> Families {
        let Some(words) = self.given(|table| &table.families) else {
            return if over_v6 { Families::BOTH } else { Families::only(Family::V4) };
        };
        let families: Families = words.iter().map(|word| word.value.0).collect();
        if !over_v6 && families.contains(Family::V6) {
            let help = "IPv6 routes are better exchanged on a session over IPv6";
            reports.warning(at, "this session over IPv4 carries IPv6 routes", help);
        }
        families
    }
}

/// A session about which nothing is known but its address.
fn blank(address: IpAddr) -> MemberSession {
    MemberSession {
        key: SessionKey { route_server: Arc::from(""), address, interface: None },
        route_server: 0,
        member: 0,
        asn: Asn::default(),
        link_local: None,
        port: 179,
        password: None,
        tcp_ao: None,
        ttl_security: false,
        passive: true,
        families: Families::NONE,
        extended_next_hop: false,
        add_path_send: false,
        link_local_next_hop: bgp_wire::LinkLocalForm::Native,
        extended_messages: true,
        hold_time: DEFAULT_HOLD_TIME,
        send_hold_time: None,
        connect_retry: DEFAULT_CONNECT_RETRY,
        graceful_restart: true,
        llgr: None,
        role_rfc9234: false,
        disabled: None,
        import: Arc::new(ImportPolicy::for_kind(Kind::Chaos)),
        limits: limits::for_kind(Kind::Chaos),
    }
}

/// Whether an address stands for all addresses.
pub(super) fn is_wildcard(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address == Ipv4Addr::UNSPECIFIED,
        IpAddr::V6(address) => address.is_unspecified(),
    }
}

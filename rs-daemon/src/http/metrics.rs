//! `/metrics`: copied counters as Prometheus text.
//!
//! Cardinality is bounded by the configuration: a fixed number of series for each configured
//! session, family and reject reason. Nothing that a peer sends becomes a label, but NOTIFICATION
//! codes, of which each session tells a bounded number apart.

mod family;
mod local;
mod monitoring;

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;
use prometheus::{TEXT_FORMAT, TextEncoder};

use super::App;
use crate::control::answers::StatusAnswer;
use crate::irr::PolicyState;
use crate::runtime::status::{
    DataStatus, DirectionCounters, EngineCounters, IrrRefreshStatus, MonitoringStatus,
    SessionState, SessionStatus,
};
use family::{Family, Labels, unix_secs};

/// Everything that a scrape shows, as copied out of the running parts.
pub(super) struct Snapshot {
    pub(super) status: StatusAnswer,
    pub(super) sessions: Vec<SessionStatus>,
    pub(super) engine: EngineCounters,
    /// Tasks of the control socket and of HTTP.
    pub(super) operations_tasks: u64,
    pub(super) data: DataStatus,
    pub(super) monitoring: MonitoringStatus,
}

pub(super) async fn serve(State(app): State<App>) -> Response {
    let operations = &app.operations;
    let (status, sessions) = match operations.overview().await {
        Ok(both) => both,
        Err(refusal) => {
            return (StatusCode::SERVICE_UNAVAILABLE, refusal.to_string()).into_response();
        }
    };
    let runtime = operations.runtime();
    let (engine, data) = (runtime.counters(), runtime.data());
    let operations_tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks() as u64;
    let monitoring = runtime.monitoring();
    let snapshot = Snapshot { status, sessions, engine, operations_tasks, data, monitoring };
    match text(&snapshot) {
        Ok(text) => ([(header::CONTENT_TYPE, TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

pub(super) fn text(snapshot: &Snapshot) -> prometheus::Result<String> {
    let mut families = sessions(snapshot);
    families.extend(routes(snapshot));
    families.extend(servers(snapshot));
    families.extend(engine(snapshot));
    families.extend(outside(snapshot));
    families.extend(monitoring::families(&snapshot.monitoring));
    families.extend(local::families(&snapshot.status));
    families.retain(|family| !family.get_metric().is_empty());
    families.extend(ProcessCollector::for_self().collect());
    TextEncoder::new().encode_to_string(&families)
}

fn sessions(snapshot: &Snapshot) -> Vec<MetricFamily> {
    let mut state = Family::gauge("rs_session_state", "1 for the state the session is in.");
    let mut up = Family::gauge("rs_session_up_seconds", "Seconds since Established, 0 if not.");
    let mut flaps =
        Family::counter("rs_session_flaps_total", "Times the session left Established.");
    let mut messages = Family::counter("rs_messages_total", "Messages by direction and type.");
    let mut octets = Family::counter("rs_message_bytes_total", "Octets of messages.");
    let mut malformed =
        Family::counter("rs_updates_malformed_total", "Malformed UPDATEs by RFC 7606 action.");
    let mut queue = Family::gauge("rs_send_queue_bytes", "Octets waiting to be written.");
    let mut lagging = Family::gauge("rs_lagging", "1 while the peer waits for a resync.");
    let mut held = Family::gauge(
        "rs_held",
        "1 while the peer is sent nothing, as other members' routes are missing after our restart.",
    );
    let mut dirty =
        Family::gauge("rs_dirty_routes", "Routes changed while the peer did not drain.");
    let mut info = Family::gauge("rs_session_info", "1, with the member's name.");
    let now = std::time::SystemTime::now();
    for session in &snapshot.sessions {
        let labels = Labels::of(session);
        for each in SessionState::ALL {
            state.add(labels.with("state", each.name()), f64::from(each == session.state));
        }
        let established = session.state == SessionState::Established;
        let secs = now.duration_since(session.since).map_or(0.0, |age| age.as_secs_f64());
        up.add(labels.plain(), if established { secs.floor() } else { 0.0 });
        flaps.add_count(labels.plain(), session.flaps);
        for (direction, counters) in
            [("received", &session.messages.received), ("sent", &session.messages.sent)]
        {
            for (kind, count) in by_type(counters) {
                messages.add_count(labels.with("direction", direction).and("type", kind), count);
            }
            octets.add_count(labels.with("direction", direction), counters.octets);
        }
        let faults = &session.malformed;
        for (action, count) in [
            ("attribute-discard", faults.attribute_discard),
            ("treat-as-withdraw", faults.treat_as_withdraw),
            ("afi-safi-disable", faults.afi_safi_disable),
            ("session-reset", faults.session_reset),
        ] {
            malformed.add_count(labels.with("action", action), count);
        }
        queue.add_count(labels.plain(), session.send_queue_octets);
        lagging.add(labels.plain(), f64::from(session.lagging));
        held.add(labels.plain(), f64::from(session.held));
        dirty.add_count(labels.plain(), session.dirty_nlri);
        info.add(labels.with("name", &session.name), 1.0);
    }
    let notifications = notifications(&snapshot.sessions);
    [
        state,
        up,
        flaps,
        messages,
        octets,
        notifications,
        malformed,
        queue,
        lagging,
        held,
        dirty,
        info,
    ]
    .map(Family::finish)
    .into()
}

fn by_type(counters: &DirectionCounters) -> [(&'static str, u64); 5] {
    [
        ("open", counters.open),
        ("update", counters.update),
        ("notification", counters.notification),
        ("keepalive", counters.keepalive),
        ("route-refresh", counters.route_refresh),
    ]
}

/// A series appears with the first NOTIFICATION of its kind; a session tells a bounded number of
/// kinds apart.
fn notifications(sessions: &[SessionStatus]) -> Family {
    let mut family =
        Family::counter("rs_notifications_total", "NOTIFICATION messages by code and subcode.");
    for session in sessions {
        for each in &session.notifications {
            let labels = Labels::of(session)
                .with("direction", if each.sent { "sent" } else { "received" })
                .and("code", &each.code.to_string())
                .and("subcode", &each.subcode.to_string());
            family.add_count(labels, each.count);
        }
    }
    family
}

fn routes(snapshot: &Snapshot) -> Vec<MetricFamily> {
    let mut routes = Family::gauge(
        "rs_routes",
        "Routes of a session: in its Adj-RIB-In, of these eligible and rejected, and sent to it.",
    );
    let mut filtered = Family::gauge("rs_filtered_routes", "Rejected routes by reason.");
    let mut marked = Family::gauge(
        "rs_marked_routes",
        "Received routes by what was done to them; transit routes withheld from the session.",
    );
    let mut limit = Family::gauge(
        "rs_prefix_limit",
        "Most prefixes the session may announce, of a family or (all) of both together.",
    );
    let mut used = Family::gauge(
        "rs_prefix_limit_counted",
        "Prefixes that count towards the limit: those received, or those accepted, as configured.",
    );
    let mut refused = Family::counter(
        "rs_prefix_limit_refused_total",
        "Announcements not taken because the prefix limit was reached (action block).",
    );
    let mut highest = Family::gauge(
        "rs_prefix_limit_highest",
        "Most prefixes announced lately, which a dynamic limit follows from.",
    );
    let mut learning = Family::gauge(
        "rs_prefix_limit_learning",
        "1 while a dynamic limit has not been learned and the static one holds.",
    );
    for session in &snapshot.sessions {
        let labels = Labels::of(session);
        for one in session.limit_uses() {
            limit.add(labels.with("family", one.families), f64::from(one.limit));
            used.add_count(labels.with("family", one.families), one.counted);
        }
        for (index, name) in ["ipv4", "ipv6"].into_iter().enumerate() {
            let counts = &session.routes[index];
            for (kind, count) in [
                ("received", counts.received),
                ("accepted", counts.accepted),
                ("filtered", counts.filtered),
                ("exported", counts.exported),
            ] {
                routes.add_count(labels.with("family", name).and("kind", kind), count);
            }
            for (reason, count) in &counts.filtered_by_reason {
                filtered.add_count(labels.with("family", name).and("reason", reason), *count);
            }
            for (mark, count) in &counts.marked {
                marked.add_count(labels.with("family", name).and("mark", mark), *count);
            }
            if session.limits[index].is_some() || session.limit_total.is_some() {
                refused.add_count(labels.with("family", name), counts.refused);
            }
            if let Some(learned) = session.dynamic_limits[index] {
                highest.add(labels.with("family", name), f64::from(learned.highest));
                learning.add(labels.with("family", name), f64::from(learned.learning));
            }
        }
    }
    [routes, filtered, marked, limit, used, refused, highest, learning].map(Family::finish).into()
}

fn servers(snapshot: &Snapshot) -> Vec<MetricFamily> {
    let status = &snapshot.status;
    let mut best = Family::gauge("rs_destinations", "Destinations with an eligible route.");
    let mut configured = Family::gauge("rs_sessions_configured", "Sessions in the configuration.");
    let mut established = Family::gauge("rs_sessions_established", "Sessions in Established.");
    let mut refused = Family::counter(
        "rs_connections_refused_total",
        "Connections refused: from an address that is not configured, or too many.",
    );
    let mut awaits = Family::gauge(
        "rs_restart_awaits",
        "Members whose routes are waited for after our own restart.",
    );
    let mut accepted = Family::counter("rs_connections_accepted_total", "Connections taken.");
    for server in &status.route_servers {
        let labels = Labels::server(&server.name);
        for (index, name) in ["ipv4", "ipv6"].into_iter().enumerate() {
            best.add_count(labels.with("family", name), server.destinations[index]);
        }
        configured.add(labels.plain(), f64::from(server.sessions_configured));
        established.add(labels.plain(), f64::from(server.sessions_established));
        awaits.add(labels.plain(), f64::from(server.restart_awaits.unwrap_or(0)));
        // Listeners of one server are summed up: several may differ by interface only.
        let sum = |field: fn(&crate::runtime::status::ListenerStatus) -> u64| {
            server.listeners.iter().map(field).sum::<u64>()
        };
        refused.add_count(labels.with("reason", "unconfigured"), sum(|l| l.refused_unconfigured));
        refused.add_count(labels.with("reason", "limit"), sum(|l| l.refused_limit));
        accepted.add_count(labels.plain(), sum(|l| l.accepted));
    }
    let daemon = &status.daemon;
    let none = Labels::none();
    let mut build = Family::gauge("rs_build_info", "1, with the version.");
    build.add(none.with("version", &daemon.version), 1.0);
    let mut reload = Family::gauge(
        "rs_config_last_reload_success",
        "Whether the last configuration that was read was taken.",
    );
    reload.add(none.plain(), f64::from(daemon.last_reload_success));
    let mut reloaded = Family::gauge(
        "rs_config_last_reload_timestamp_seconds",
        "When the configuration in force was read.",
    );
    reloaded.add(none.plain(), unix_secs(daemon.last_reload));
    let mut state = Family::gauge(
        "rs_state_write_success",
        "Whether what is to survive a restart could be written when it was tried last.",
    );
    state.add(none.plain(), f64::from(daemon.state_written));
    let mut jumps = Family::counter(
        "rs_clock_jumps_total",
        "Times the machine's clock was seen to jump, by more than ten minutes.",
    );
    jumps.add_count(none.plain(), daemon.clock_jumps);
    let mut draining = Family::gauge("rs_draining", "Whether GRACEFUL_SHUTDOWN is added.");
    draining.add(none.plain(), f64::from(daemon.draining));
    let mut ready = Family::gauge("rs_ready", "Whether /readyz says so.");
    ready.add(none.plain(), f64::from(daemon.ready));
    let mut inbox = Family::gauge("rs_shard_inbox", "Routes waiting at each shard.");
    for (index, waiting) in daemon.shard_inbox.iter().enumerate() {
        inbox.add_count(none.with("shard", &index.to_string()), *waiting);
    }
    [
        best,
        configured,
        established,
        awaits,
        refused,
        accepted,
        build,
        reload,
        reloaded,
        state,
        jumps,
        draining,
        ready,
        inbox,
    ]
    .map(Family::finish)
    .into()
}

fn engine(snapshot: &Snapshot) -> Vec<MetricFamily> {
    let engine = &snapshot.engine;
    let mut batches = Family::counter("rs_batches_total", "Batches that shards published.");
    let mut lagged = Family::counter(
        "rs_lane_full_total",
        "Times a worker's lane was full and routes were noted instead of sent.",
    );
    let mut full = Family::counter(
        "rs_inbox_full_total",
        "Times a session stopped reading because a shard was busy.",
    );
    batches.add_count(Labels::none().plain(), engine.batches);
    lagged.add_count(Labels::none().plain(), engine.lagged);
    full.add_count(Labels::none().plain(), engine.inbox_full);
    let mut tasks = Family::gauge(
        "rs_tasks",
        "Tasks alive: of sessions and their connections, and of the control socket and HTTP.",
    );
    tasks.add_count(Labels::none().with("of", "sessions"), engine.tasks);
    tasks.add_count(Labels::none().with("of", "operations"), snapshot.operations_tasks);
    vec![
        batches.finish(),
        lagged.finish(),
        full.finish(),
        tasks.finish(),
        family::histogram(
            "rs_flush_duration_seconds",
            "Time a worker spent writing queues in one turn.",
            &engine.flush_duration,
        ),
        family::histogram(
            "rs_propagation_seconds",
            "From octets read to octets queued at the other members.",
            &engine.propagation,
        ),
    ]
}

fn outside(snapshot: &Snapshot) -> Vec<MetricFamily> {
    let data = &snapshot.data;
    let none = Labels::none();
    let mut vrps = Family::gauge("rs_rpki_vrps", "VRPs of each cache or file.");
    let mut serial = Family::gauge("rs_rpki_serial", "RTR serial of each cache.");
    let mut sync = Family::gauge("rs_rpki_last_sync_timestamp_seconds", "When data came last.");
    let mut active = Family::gauge("rs_rpki_active", "Whether the cache's data are in use.");
    let mut up = Family::gauge("rs_rpki_up", "1 while a cache is connected, a file readable.");
    let mut failures = Family::counter(
        "rs_rpki_failures_total",
        "Sessions with a cache, and attempts to have one, that ended with an error.",
    );
    for source in &data.rpki {
        let labels = none.with("cache", &source.name);
        vrps.add_count(labels.clone(), source.vrps);
        if let Some(number) = source.serial {
            serial.add(labels.clone(), f64::from(number));
        }
        if let Some(at) = source.last_sync {
            sync.add(labels.clone(), unix_secs(at));
        }
        let readable = source.state == "file" && source.last_error.is_none();
        up.add(labels.clone(), f64::from(readable || source.state == "connected"));
        if let Some(count) = source.failures {
            failures.add_count(labels.clone(), count);
        }
        active.add(labels, f64::from(source.active));
    }
    let mut in_force = Family::gauge("rs_rpki_vrps_in_force", "VRPs in force.");
    in_force.add_count(none.plain(), data.vrps);
    let mut aspas = Family::gauge("rs_rpki_aspas_in_force", "ASPA records in force.");
    aspas.add_count(none.plain(), data.aspas);
    let mut age = Family::gauge("rs_irr_set_age_seconds", "Age of each IRR set's answer.");
    let mut prefixes = Family::gauge("rs_irr_set_prefixes", "Prefixes of each IRR set.");
    let now = std::time::SystemTime::now();
    // Several members may name one set.
    let sets: BTreeMap<_, _> = data.irr.iter().map(|set| (&set.name, set)).collect();
    for (name, set) in sets {
        let labels = none.with("set", name);
        if let Some(fetched) = set.fetched {
            let secs = now.duration_since(fetched).map_or(0.0, |age| age.as_secs_f64());
            age.add(labels.clone(), secs.floor());
        }
        for (index, family) in ["ipv4", "ipv6"].into_iter().enumerate() {
            prefixes.add_count(labels.with("family", family), set.prefixes[index]);
        }
    }
    let known = [vrps, serial, sync, active, up, failures, in_force, aspas, age, prefixes];
    let fetching = irr_refresh(data.irr_refresh.as_ref());
    known.into_iter().chain(fetching).chain(rpsl(data)).map(Family::finish).collect()
}

/// Where an IRR source is configured.
fn irr_refresh(refresh: Option<&IrrRefreshStatus>) -> [Family; 4] {
    let none = Labels::none();
    let mut success =
        Family::gauge("rs_irr_last_refresh_success", "Whether the last IRR refresh succeeded.");
    let mut failures =
        Family::counter("rs_irr_refresh_failures_total", "IRR refreshes that failed.");
    let mut at = Family::gauge(
        "rs_irr_last_refresh_timestamp_seconds",
        "When an IRR refresh succeeded last.",
    );
    let mut written = Family::gauge(
        "rs_irr_cache_write_success",
        "Whether IRR answers could be kept on disk when it was tried last.",
    );
    if let Some(refresh) = refresh {
        success.add(none.plain(), f64::from(refresh.last_error.is_none()));
        failures.add_count(none.plain(), refresh.failures);
        written.add(none.plain(), f64::from(refresh.cache_written));
        if let Some(time) = refresh.last_success {
            at.add(none.plain(), unix_secs(time));
        }
    }
    [success, failures, at, written]
}

/// The members' RPSL policies.
fn rpsl(data: &DataStatus) -> [Family; 3] {
    let none = Labels::none();
    let mut states = Family::gauge("rs_rpsl_policies", "Members' RPSL policies, by state.");
    let mut faulty = Family::gauge("rs_rpsl_policies_faulty", "RPSL policies with a fault.");
    let mut age = Family::gauge("rs_rpsl_policy_age_seconds", "Age of each RPSL policy.");
    for state in PolicyState::ALL {
        let count = data.rpsl.iter().filter(|policy| policy.state == state).count();
        states.add_count(none.with("state", state.name()), count as u64);
    }
    let with_fault = data.rpsl.iter().filter(|policy| policy.fault).count();
    faulty.add_count(none.plain(), with_fault as u64);
    let now = std::time::SystemTime::now();
    for policy in &data.rpsl {
        if let Some(fetched) = policy.fetched {
            let secs = now.duration_since(fetched).map_or(0.0, |age| age.as_secs_f64());
            age.add(none.with("asn", &policy.aut_num.to_string()), secs.floor());
        }
    }
    [states, faulty, age]
}

#[cfg(test)]
mod tests;

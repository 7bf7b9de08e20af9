//! What the daemons have in common as members of an exchange.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use super::netns::{Host, INTERFACE};
use super::route::{Route, Shows};
use super::wait::{ensure, eventually};

/// How long a session may take to come up, idle-hold times of the slowest daemon included.
pub const ESTABLISH: Duration = Duration::from_secs(90);
/// How long a change may take to arrive, slow display commands included.
pub const ARRIVE: Duration = Duration::from_secs(30);

/// One session of a member with the route server.
#[derive(Debug, Clone)]
pub struct Session {
    /// The member's address.
    pub local: IpAddr,
    /// The route server's address.
    pub remote: IpAddr,
    /// IPv4 unicast, with extended next hop when the session is IPv6.
    pub v4: bool,
    /// IPv6 unicast.
    pub v6: bool,
    /// TCP MD5.
    pub password: Option<String>,
    /// GTSM (RFC 5082).
    pub ttl_security: bool,
}

/// A member: where it runs, who it is, whom it peers with.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Its namespace.
    pub host: Host,
    /// Its AS.
    pub asn: u32,
    /// The route server's AS.
    pub rs_asn: u32,
    /// Its sessions.
    pub sessions: Vec<Session>,
}

impl Spec {
    /// Two sessions, as most members have: IPv4 routes over IPv4, IPv6 routes over IPv6.
    pub fn dual(host: &Host, asn: u32, rs: &Host, rs_asn: u32) -> Self {
        let session = |local, remote| Session {
            local,
            remote,
            v4: IpAddr::is_ipv4(&local),
            v6: IpAddr::is_ipv6(&local),
            password: None,
            ttl_security: false,
        };
        let sessions = vec![
            session(IpAddr::V4(host.v4()), IpAddr::V4(rs.v4())),
            session(IpAddr::V6(host.v6()), IpAddr::V6(rs.v6())),
        ];
        Self { host: host.clone(), asn, rs_asn, sessions }
    }

    /// One session over global IPv6, with both families.
    pub fn global_v6(host: &Host, asn: u32, rs: &Host, rs_asn: u32) -> Self {
        let (local, remote) = (IpAddr::V6(host.v6()), IpAddr::V6(rs.v6()));
        let session =
            Session { local, remote, v4: true, v6: true, password: None, ttl_security: false };
        Self { host: host.clone(), asn, rs_asn, sessions: vec![session] }
    }

    /// One session over link-local addresses, with both families.
    pub fn link_local(host: &Host, asn: u32, rs: &Host, rs_asn: u32) -> Self {
        let (local, remote) = (IpAddr::V6(host.link_local()), IpAddr::V6(rs.link_local()));
        let session =
            Session { local, remote, v4: true, v6: true, password: None, ttl_security: false };
        Self { host: host.clone(), asn, rs_asn, sessions: vec![session] }
    }

    /// The same with a password on every session.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        for session in &mut self.sessions {
            session.password = Some(password.to_owned());
        }
        self
    }

    /// The same with GTSM on every session.
    #[must_use]
    pub fn with_ttl_security(mut self) -> Self {
        self.sessions.iter_mut().for_each(|session| session.ttl_security = true);
        self
    }

    /// Its BGP Identifier.
    pub fn router_id(&self) -> String {
        format!("10.0.0.{}", self.host.number)
    }
}

/// A real daemon in a namespace.
pub trait Member {
    /// For messages.
    fn name(&self) -> &'static str;

    /// What its display shows of a route.
    fn shows(&self) -> Shows;

    /// `Ok` when the session with this address of the route server is established.
    fn session_up(&mut self, remote: IpAddr) -> Result<(), String>;

    /// What it has learnt over BGP.
    fn routes(&mut self) -> Result<Vec<Route>, String>;

    /// Announces exactly these from now on, without a restart. Next hops are its own.
    fn announce(&mut self, routes: &[Route]);

    /// Stops and starts it again; it announces what it did.
    fn restart(&mut self);

    /// Asks the route server for all routes again (RFC 2918); false when it has no way to.
    fn refresh(&mut self) -> bool;

    /// Whether it sends its routes again when asked to.
    fn answers_refresh(&self) -> bool {
        true
    }

    /// Who it is.
    fn spec(&self) -> &Spec;

    /// Waits until every session is up.
    fn wait_established(&mut self) {
        let remotes: Vec<IpAddr> = self.spec().sessions.iter().map(|s| s.remote).collect();
        let what = format!("{} established", self.name());
        eventually(&what, ESTABLISH, || remotes.iter().try_for_each(|r| self.session_up(*r)));
    }

    /// Waits until it holds this route, every attribute that it shows equal.
    fn wait_for_route(&mut self, expected: &Route) {
        let expected = expected.as_shown(self.shows());
        let what = format!("{} has {}", self.name(), expected.prefix);
        eventually(&what, ARRIVE, || {
            let routes = self.routes()?;
            ensure(routes.contains(&expected), || {
                let seen: Vec<&Route> =
                    routes.iter().filter(|route| route.prefix == expected.prefix).collect();
                format!("expected {expected:?}\n    seen {seen:?} among {} routes", routes.len())
            })
        });
    }

    /// Waits until it holds no route to this destination.
    fn wait_for_withdrawal(&mut self, prefix: &str) {
        let what = format!("{} has lost {prefix}", self.name());
        eventually(&what, ARRIVE, || {
            let routes = self.routes()?;
            let seen: Vec<&Route> =
                routes.iter().filter(|route| route.prefix.to_string() == prefix).collect();
            ensure(seen.is_empty(), || format!("{seen:?}"))
        });
    }
}

/// An address with the zone that a link-local one needs.
pub fn zoned(address: IpAddr) -> String {
    match address {
        IpAddr::V6(v6) if v6.is_unicast_link_local() => format!("{v6}%{INTERFACE}"),
        address => address.to_string(),
    }
}

/// Its link-local address, if that is what it is.
pub fn link_local(address: IpAddr) -> Option<Ipv6Addr> {
    match address {
        IpAddr::V6(v6) if v6.is_unicast_link_local() => Some(v6),
        _ => None,
    }
}

//! What the configuration means for the crates that do the work: policies and sessions.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use bgp_session::{GracefulRestartConfig, LlgrConfig, SessionConfig};
use bgp_wire::{Asn, Families, Family, Role as BgpRole};
use policy::{Kind, MemberAddress, PeerPolicy, PolicyConfig, Role};

use super::{Config, Member, MemberSession, RouteServer, SessionKey};

impl Config {
    /// The policy of a route server (an index into `route_servers`): `slots` says which session
    /// has which slot; a slot whose session is not configured stays empty.
    #[must_use]
    pub fn policy_config(
        &self,
        route_server: usize,
        epoch: u64,
        slots: &[Option<SessionKey>],
    ) -> Option<PolicyConfig> {
        let server = self.route_servers.get(route_server)?;
        let by_key: std::collections::HashMap<_, _> =
            self.sessions_of(route_server).map(|session| (&session.key, session)).collect();
        let peers = slots.iter().map(|key| {
            let session = by_key.get(key.as_ref()?)?;
            self.peer_policy(server, session)
        });
        Some(PolicyConfig {
            epoch,
            name: Arc::clone(&server.name),
            kind: server.kind,
            asn: server.asn,
            short_asn: server.short_asn,
            peering_lan: self.exchange.peering_lan.clone(),
            blacklist: server.blacklist.clone(),
            own_addresses: self.own_addresses(),
            import: Arc::clone(&server.import),
            communities: server.communities.clone(),
            inform: server.inform,
            med: server.med,
            prefer_oldest: server.prefer_oldest,
            honour_well_known: server.export.honour_well_known,
            same_as_export: server.export.same_as_export,
            export_communities: server.export.communities,
            prepend_tie: server.prepend_tie,
            own_asn_means_any: server.own_asn_means_any,
            set_partial: server.export.set_partial,
            drain: false,
            peers: peers.collect(),
        })
    }

    /// What the session state machine needs to know about a session.
    #[must_use]
    pub fn session_config(&self, session: &MemberSession) -> Option<SessionConfig> {
        let server = self.route_servers.get(session.route_server)?;
        let over_v6 = session.key.address.is_ipv6();
        Some(SessionConfig {
            local_as: server.asn,
            peer_as: session.asn,
            router_id: server.router_id,
            hold_time: session.hold_time,
            connect_retry: session.connect_retry,
            send_hold_time: session.send_hold_time,
            passive: session.passive,
            families: session.families,
            extended_next_hop: session.extended_next_hop,
            add_path_send: session.add_path_send,
            extended_messages: session.extended_messages,
            graceful_restart: session.graceful_restart.then(|| GracefulRestartConfig {
                restart_time: server.restart_time,
                ..GracefulRestartConfig::default()
            }),
            llgr: session
                .llgr
                .filter(|_| session.graceful_restart)
                .map(|stale_time| LlgrConfig { stale_time }),
            role: session.role_rfc9234.then_some(BgpRole::RouteServer),
            link_local_next_hop: over_v6 && session.families != Families::only(Family::V4)
                || session.extended_next_hop,
            link_local_form: session.link_local_next_hop,
            ..SessionConfig::default()
        })
    }

    /// The addresses that no member may name as next hop.
    fn own_addresses(&self) -> Vec<IpAddr> {
        let listeners = self.route_servers.iter().flat_map(|server| &server.listen);
        let mut addresses: Vec<_> = listeners
            .map(|listen| listen.address)
            .filter(|address| !address.is_unspecified())
            .collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }

    fn peer_policy(&self, server: &RouteServer, session: &MemberSession) -> Option<PeerPolicy> {
        let member = self.members.get(session.member)?;
        let sponsor = server.kind == Kind::Transitable && member.role == Role::TransitSponsor;
        Some(PeerPolicy {
            asn: member.asn,
            alias: member.alias,
            name: Arc::clone(&member.name),
            address: session.key.address,
            interface: session.key.interface.clone(),
            link_local: session.link_local,
            member_addresses: member_addresses(member),
            member: member.number,
            as_set: member.as_set.iter().map(|set| Arc::from(set.as_str())).collect(),
            role: if sponsor { Role::TransitSponsor } else { Role::Downstream },
            receive_transit: sponsor && member.receive_transit,
            filter: member.filter,
            import: Arc::clone(&session.import),
            collector: member.collector,
            role_rfc9234: session.role_rfc9234,
            location: member.location,
            // What the member's lines say comes with the IRR data: it restricts nobody till then.
            rpsl: self.follows_rpsl(server, member).then(Arc::default),
        })
    }

    /// Whether a member's RPSL policy holds on a route server.
    #[must_use]
    pub fn follows_rpsl(&self, server: &RouteServer, member: &Member) -> bool {
        let may = server.kind != Kind::Chaos && !member.collector && self.irr.is_some();
        may && server.export.rpsl && member.rpsl
    }

    /// Whose RPSL policies hold on which route servers, by AS.
    #[must_use]
    pub fn rpsl_followers(&self) -> BTreeMap<Asn, BTreeSet<Asn>> {
        let mut followers: BTreeMap<Asn, BTreeSet<Asn>> = BTreeMap::new();
        for session in self.sessions() {
            let member = self.members.get(session.member);
            let server = self.route_servers.get(session.route_server);
            if let (Some(member), Some(server)) = (member, server)
                && self.follows_rpsl(server, member)
            {
                followers.entry(member.asn).or_default().insert(server.asn);
            }
        }
        followers
    }
}

/// All addresses of a member, whatever the route server.
fn member_addresses(member: &Member) -> Arc<[MemberAddress]> {
    let mut addresses: Vec<MemberAddress> = Vec::new();
    for SessionKey { address, interface, .. } in member.sessions.iter().map(|one| &one.key) {
        let address = MemberAddress { address: *address, interface: interface.clone() };
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses.into()
}

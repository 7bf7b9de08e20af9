//! Each daemon as a member: routes both ways with every attribute, and all that can happen to a
//! session afterwards.

use std::net::IpAddr;

use rs_tests::support::bird::Bird;
use rs_tests::support::exabgp::ExaBgp;
use rs_tests::support::frr::Frr;
use rs_tests::support::gobgp::GoBgp;
use rs_tests::support::member::{ARRIVE, ESTABLISH, Member, Spec, zoned};
use rs_tests::support::netns::{Host, Lan};
use rs_tests::support::openbgpd::OpenBgpd;
use rs_tests::support::raw;
use rs_tests::support::route::Route;
use rs_tests::support::rs::{Config, RouteServer};
use rs_tests::support::wait::{ensure, eventually};

const RS: u32 = 64500;
const MEMBER: u32 = 65010;
/// The raw speaker has a 32-bit AS.
const RAW: u32 = 4_200_065_020;

/// An exchange with one real member and one raw speaker, each with two sessions.
struct Scene<M> {
    member: M,
    raw4: raw::Remote,
    raw6: raw::Remote,
    server: RouteServer,
    raw_host: Host,
    _lan: Lan,
}

impl<M: Member> Scene<M> {
    fn new(start: impl Fn(Spec) -> M) -> Self {
        let mut lan = Lan::new();
        let (rs, host, raw_host) = (lan.host(), lan.host(), lan.host());
        let spec = Spec::dual(&host, MEMBER, &rs, RS);
        let addresses = |host: &Host| [host.v4().to_string(), host.v6().to_string()];
        // Registered, so that next hops may have that half.
        let registered = |host: &Host| format!("link_local = \"{}\"", host.link_local());
        let config = Config::on(&rs, RS)
            .member(MEMBER, &addresses(&host), &registered(&host))
            .member(RAW, &addresses(&raw_host), &registered(&raw_host));
        let server = RouteServer::start_in(&rs, &config);
        let mut member = start(spec);
        let raw = |local: IpAddr, remote: IpAddr| {
            let mut config = raw::Config::new(local, remote, RAW);
            config.families = [local.is_ipv4(), local.is_ipv6()];
            raw::Remote::established(&raw_host, config)
        };
        let raw4 = raw(raw_host.v4().into(), rs.v4().into());
        let raw6 = raw(raw_host.v6().into(), rs.v6().into());
        member.wait_established();
        Self { member, raw4, raw6, server, raw_host, _lan: lan }
    }

    /// The raw speakers' routes, one for each family, with everything an attribute can be.
    fn raw_routes(&self) -> [Route; 2] {
        let path = format!("{RAW} 65021 4200065022");
        let dress = |route: Route| {
            route
                .med(4_000_000_000)
                .community("65020:1")
                .community("65535:666")
                .community("65535:65281")
                .extended("rt:65020:70000")
                .extended("ro:4200065020:7")
                .large("4200065020:1:2")
                .large("65020:4294967295:0")
                .unknown(0xc0, 200, "deadbeef00")
                .unknown(0xe0, 201, "01")
        };
        let host = &self.raw_host;
        [
            dress(Route::new("198.51.100.0/24", &path, host.v4().into())),
            dress(Route::new("2001:db8:20::/48", &path, host.v6().into()))
                .link_local(host.link_local()),
        ]
    }

    /// The member's routes as it originates them.
    fn member_routes(&self) -> [Route; 2] {
        let asn = MEMBER.to_string();
        let host = &self.member.spec().host;
        let dress = |route: Route| {
            route
                .med(7)
                .community("65010:1")
                .community("65535:666")
                .extended("rt:65010:70000")
                .extended("ro:65010:8")
                .large("65010:1:2")
                .large("4200065010:4294967295:3")
        };
        let mut routes = [
            dress(Route::new("203.0.113.0/24", &asn, host.v4().into())),
            dress(Route::new("2001:db8:10::/48", &asn, host.v6().into())),
        ];
        let [_, v6] = &mut routes;
        if ["bird", "frr"].contains(&self.member.name()) {
            *v6 = v6.clone().link_local(host.link_local());
        }
        for route in &mut routes {
            match self.member.name() {
                // Its command line takes route targets only.
                "gobgp" => route.extended.retain(|community| community.starts_with("rt:")),
                "exabgp" => *route = route.clone().unknown(0xc0, 210, "cafe0123"),
                _ => {}
            }
        }
        routes
    }

    fn raw_announce(&mut self) {
        let [v4, v6] = self.raw_routes();
        self.raw4.announce(&v4);
        self.raw6.announce(&v6);
    }

    fn member_has_raw_routes(&mut self) {
        for route in self.raw_routes() {
            self.member.wait_for_route(&route);
        }
    }

    fn raw_has_member_routes(&mut self) {
        let [v4, v6] = self.member_routes();
        wait_raw(&mut self.raw4, &[v4]);
        wait_raw(&mut self.raw6, &[v6]);
    }

    fn raw_has_nothing(&mut self) {
        wait_raw(&mut self.raw4, &[]);
        wait_raw(&mut self.raw6, &[]);
    }

    fn both_ways(&mut self) {
        self.raw_announce();
        let routes = self.member_routes();
        self.member.announce(&routes);
        self.member_has_raw_routes();
        self.raw_has_member_routes();
    }
}

/// Waits until a raw speaker holds exactly these.
fn wait_raw(speaker: &mut raw::Remote, expected: &[Route]) {
    eventually("the raw speaker holds what was announced", ARRIVE, || {
        let seen = speaker.routes();
        ensure(seen == expected, || format!("expected {expected:?}\n    seen {seen:?}"))
    });
}

fn withdraws_and_announces_again<M: Member>(start: impl Fn(Spec) -> M) {
    let mut scene = Scene::new(start);
    scene.both_ways();
    let [v4, v6] = scene.raw_routes();

    scene.member.announce(&[]);
    scene.raw_has_nothing();
    scene.raw4.withdraw(&v4.prefix.to_string());
    scene.raw6.withdraw(&v6.prefix.to_string());
    scene.member.wait_for_withdrawal(&v4.prefix.to_string());
    scene.member.wait_for_withdrawal(&v6.prefix.to_string());

    scene.both_ways();

    // One attribute changes: an implicit withdrawal (RFC 4271 §3.1).
    let changed = v4.med(1).community("65020:2");
    scene.raw4.announce(&changed);
    scene.member.wait_for_route(&changed);
    scene.server.still_runs().unwrap();
}

fn survives_restarts<M: Member>(start: impl Fn(Spec) -> M) {
    let mut scene = Scene::new(start);
    scene.both_ways();

    scene.member.restart();
    scene.member.wait_established();
    scene.member_has_raw_routes();
    scene.raw_has_member_routes();

    scene.server.restart();
    let reconnect = |speaker: &mut raw::Remote| {
        eventually("the raw speaker connects again", ESTABLISH, || speaker.connect());
        speaker.wait_established();
    };
    reconnect(&mut scene.raw4);
    reconnect(&mut scene.raw6);
    scene.raw_announce();
    scene.member.wait_established();
    scene.member_has_raw_routes();
    scene.raw_has_member_routes();
}

fn refreshes<M: Member>(start: impl Fn(Spec) -> M) {
    let mut scene = Scene::new(start);
    scene.both_ways();
    let sessions: Vec<String> =
        scene.member.spec().sessions.iter().map(|s| zoned(s.local)).collect();
    let received = |scene: &Scene<M>, session: &str, kind: &str| {
        let labels = [format!("peer=\"{session}\""), format!("type=\"{kind}\"")];
        let [peer, kind] = &labels;
        scene.server.metric(9180, "rs_messages_total", &[peer, kind, "direction=\"received\""])
    };
    let updates = |scene: &Scene<M>| -> Vec<f64> {
        sessions.iter().map(|session| received(scene, session, "update").unwrap()).collect()
    };

    if scene.member.refresh() {
        for session in &sessions {
            eventually(&format!("{session} asks for a refresh"), ARRIVE, || {
                let count = received(&scene, session, "route-refresh")?;
                ensure(count >= 1.0, || format!("{count} ROUTE-REFRESH messages"))
            });
        }
        scene.member_has_raw_routes();
    }

    // The other way round: ours asks the member.
    let before = updates(&scene);
    for (session, before) in sessions.iter().zip(before) {
        scene.server.act(&["session", "soft-in", session]);
        eventually(&format!("{session} sends its routes again"), ARRIVE, || {
            let count = received(&scene, session, "update")?;
            ensure(count > before || !scene.member.answers_refresh(), || {
                format!("{count} UPDATE messages, {before} before")
            })
        });
    }
    scene.raw_has_member_routes();
    scene.member.wait_established();
}

/// The same three tests for each daemon.
macro_rules! daemon {
    ($name:ident, $kind:ident) => {
        mod $name {
            use super::*;

            #[test]
            fn routes_pass_both_ways_unchanged_are_withdrawn_and_come_again() {
                withdraws_and_announces_again($kind::start);
            }

            #[test]
            fn routes_come_back_after_a_restart_of_the_member_and_of_ours() {
                survives_restarts($kind::start);
            }

            #[test]
            fn a_route_refresh_is_answered() {
                refreshes($kind::start);
            }
        }
    };
}

daemon!(bird, Bird);
daemon!(openbgpd, OpenBgpd);
daemon!(frr, Frr);
daemon!(gobgp, GoBgp);
daemon!(exabgp, ExaBgp);

//! Routes as Route Monitoring messages, those with the same attributes packed together.

use std::sync::Arc;

use bgp_wire::bmp::{PeerHeader, route_monitoring};
use bgp_wire::{
    EncodingProfile, Family, LinkLocalForm, Nlri, PathAttributes, encode_end_of_rib, encode_reach,
    encode_unreach,
};
use bytes::{Bytes, BytesMut};
use rib::AttributeSet;

/// How routes are written that were not written for a session: AS numbers of four octets (RFC
/// 7854 §4.2, flag A; RFC 9069 §5.4.1), no path identifiers.
const PROFILE: EncodingProfile = EncodingProfile {
    four_octet_as: true,
    add_path: [false; 2],
    extended_message: false,
    link_local_form: LinkLocalForm::Native,
};

/// What a route has; `None`: it is withdrawn.
type Attributes<'a> = Option<&'a Arc<AttributeSet>>;

/// Messages to be sent together.
#[derive(Debug, Default)]
pub(super) struct Messages {
    out: BytesMut,
    updates: BytesMut,
    run: Option<Run>,
}

/// Routes that fit in the same UPDATEs.
#[derive(Debug)]
struct Run {
    peer: PeerHeader,
    family: Family,
    set: Option<Arc<AttributeSet>>,
    nlri: Vec<Nlri>,
}

impl Run {
    fn takes(&self, peer: &PeerHeader, family: Family, set: Attributes<'_>) -> bool {
        let same = match (&self.set, set) {
            (None, None) => true,
            (Some(mine), Some(other)) => Arc::ptr_eq(mine, other),
            _ => false,
        };
        same && self.family == family && self.peer == *peer
    }
}

impl Messages {
    /// Adds a route, or the withdrawal of one.
    pub(super) fn route(
        &mut self,
        peer: &PeerHeader,
        prefix: bgp_wire::Prefix,
        set: Attributes<'_>,
    ) {
        let family = prefix.family();
        if let Some(run) = self.run.as_mut().filter(|run| run.takes(peer, family, set)) {
            run.nlri.push(prefix.into());
            return;
        }
        self.end_run();
        let nlri = vec![prefix.into()];
        self.run = Some(Run { peer: *peer, family, set: set.cloned(), nlri });
    }

    /// Adds a route as a session is sent it.
    pub(super) fn route_as(
        &mut self,
        peer: &PeerHeader,
        profile: &EncodingProfile,
        attributes: &PathAttributes,
        nlri: Nlri,
    ) {
        self.end_run();
        encode_reach(profile, nlri.prefix.family(), attributes, &[nlri], &mut self.updates);
        self.wrap(peer);
    }

    /// Adds whole UPDATEs.
    pub(super) fn updates(&mut self, peer: &PeerHeader, updates: &[u8]) {
        self.end_run();
        route_monitoring(peer, updates, &mut self.out);
    }

    /// Says that all routes of the family were told (RFC 7854 §5).
    pub(super) fn end_of_rib(&mut self, peer: &PeerHeader, family: Family) {
        self.end_run();
        encode_end_of_rib(family, &mut self.updates);
        self.wrap(peer);
    }

    /// Adds another message.
    pub(super) fn other(&mut self, write: impl FnOnce(&mut BytesMut)) {
        self.end_run();
        write(&mut self.out);
    }

    /// All of it.
    pub(super) fn take(&mut self) -> Bytes {
        self.end_run();
        self.out.split().freeze()
    }

    fn end_run(&mut self) {
        let Some(Run { peer, family, set, nlri }) = self.run.take() else { return };
        match &set {
            None => {
                encode_unreach(&PROFILE, family, &nlri, &mut self.updates);
            }
            Some(set) => {
                let attributes = set.attributes();
                // What came in an extended message may fit in no other (RFC 8654).
                if encode_reach(&PROFILE, family, attributes, &nlri, &mut self.updates) == 0 {
                    let extended = EncodingProfile { extended_message: true, ..PROFILE };
                    encode_reach(&extended, family, attributes, &nlri, &mut self.updates);
                }
            }
        }
        self.wrap(&peer);
    }

    fn wrap(&mut self, peer: &PeerHeader) {
        route_monitoring(peer, &self.updates, &mut self.out);
        self.updates.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bgp_wire::bmp::{ROUTE_MONITORING_OCTETS, Rib};
    use bgp_wire::{AsPath, Asn, NextHop, Prefix, RawAttribute};
    use policy::Slot;

    use super::*;

    fn peer() -> PeerHeader {
        PeerHeader {
            rib: Rib::AdjRibInPre,
            instance: 0,
            address: Some([192, 0, 2, 1].into()),
            asn: Asn(64501),
            router_id: [10, 0, 0, 1].into(),
            two_octet_as: false,
            time: Duration::from_secs(1),
        }
    }

    fn set(unknown: usize) -> Arc<AttributeSet> {
        let path = AsPath::from_sequence(&[Asn(64501)]);
        let mut attributes = PathAttributes::new(path, NextHop::V4([192, 0, 2, 1].into()));
        if unknown > 0 {
            let value = vec![0; unknown].into();
            attributes.unknown = [RawAttribute { flags: 0xd0, code: 240, value }].into();
        }
        AttributeSet::new(Slot(0), attributes)
    }

    fn prefix(n: u8) -> Prefix {
        Prefix::v4([198, 51, n, 0].into(), 24).unwrap()
    }

    /// The lengths of the messages and their types.
    fn parts(octets: &[u8]) -> Vec<(usize, u8)> {
        let mut parts = Vec::new();
        let mut rest = octets;
        while !rest.is_empty() {
            let length = u32::from_be_bytes(rest[1..5].try_into().unwrap()) as usize;
            parts.push((length, rest[5]));
            rest = &rest[length..];
        }
        parts
    }

    #[test]
    fn routes_with_the_same_attributes_share_a_message() {
        let mut messages = Messages::default();
        let (one, other) = (set(0), set(0));
        for n in 0..3 {
            messages.route(&peer(), prefix(n), Some(&one));
        }
        messages.route(&peer(), prefix(3), Some(&other));
        messages.route(&peer(), prefix(0), None);
        messages.route(&peer(), prefix(1), None);
        messages.route(&PeerHeader { rib: Rib::AdjRibInPost, ..peer() }, prefix(1), None);
        messages.end_of_rib(&peer(), Family::V4);
        let lengths: Vec<_> =
            parts(&messages.take()).into_iter().map(|(length, _)| length).collect();
        let head = ROUTE_MONITORING_OCTETS + 23;
        assert_eq!(lengths, [head + 20 + 12, head + 20 + 4, head + 8, head + 4, head]);
        assert!(messages.take().is_empty());
    }

    #[test]
    fn attributes_that_need_an_extended_message_get_one() {
        let mut messages = Messages::default();
        messages.route(&peer(), prefix(0), Some(&set(5000)));
        let [(length, 0)] = parts(&messages.take())[..] else { panic!("one message") };
        assert!(length > 5000);
    }
}

//! Which lines of whose aut-num decided: for those who ask.

use bgp_wire::Family;

use crate::peer_set::{PeerBits, Slot};
use crate::policy::Policy;
use crate::rpsl::Decision;
use crate::trace::{Datum, ExportRule, Trace};

/// What a side's lines say, in words; `None` where it has none.
fn said(asn: bgp_wire::Asn, verb: &str, other: bgp_wire::Asn, by: Decision<'_>) -> Option<String> {
    if !by.restricted {
        return None;
    }
    let sentence = match (by.clause, by.allowed) {
        (Some(line), _) => format!("aut-num AS{asn}: {line}"),
        (None, false) => format!("aut-num AS{asn} {verb} others only: no line is for AS{other}"),
        (None, true) => format!("aut-num AS{asn}: no line is against AS{other}"),
    };
    Some(sentence)
}

/// Tells for every peer what both sides' lines say about the routes of a source.
pub(super) fn explain(policy: &Policy, source: Slot, family: Family, trace: &mut impl Trace) {
    let Some(from) = policy.peer(source) else { return };
    let mut told: Vec<(bool, String, PeerBits)> = Vec::new();
    for slot in policy.groups().all.and_not(&policy.groups().collectors).iter() {
        let Some(to) = policy.peer(slot).filter(|_| slot != source) else { continue };
        let sending = from.rpsl.as_ref().map(|own| own.sending(family, to.asn));
        let receiving = to.rpsl.as_ref().map(|own| own.receiving(family, from.asn));
        let refused = |by: &Option<Decision<'_>>| by.is_some_and(|by| !by.allowed);
        let withheld = refused(&sending) || refused(&receiving);
        // Where one side refuses, only that is of interest.
        let relevant = |by: &Decision<'_>| !withheld || !by.allowed;
        let sending = sending.filter(relevant);
        let receiving = receiving.filter(relevant);
        let sides = [
            sending.and_then(|by| said(from.asn, "sends to", to.asn, by)),
            receiving.and_then(|by| said(to.asn, "receives from", from.asn, by)),
        ];
        let sentence = sides.into_iter().flatten().collect::<Vec<_>>().join("; ");
        if sentence.is_empty() {
            continue;
        }
        match told.iter_mut().find(|(was, text, _)| *was == withheld && *text == sentence) {
            Some((_, _, peers)) => peers.insert(slot),
            None => {
                let mut peers = PeerBits::new();
                peers.insert(slot);
                told.push((withheld, sentence, peers));
            }
        }
    }
    for (withheld, sentence, peers) in told {
        let (peers, datum) = (peers.freeze(), Datum::Text(&sentence));
        if withheld {
            trace.withheld(ExportRule::Rpsl, &peers, datum);
        } else {
            trace.applied(ExportRule::Rpsl, &peers, datum);
        }
    }
}

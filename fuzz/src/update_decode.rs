//! What an UPDATE comes to never contradicts itself.

use bgp_wire::{DecodedUpdate, FaultAction, decode_update, iana, parse_attributes};

use crate::context;

pub fn property(data: &[u8]) {
    let Some((cx, body)) = context(data) else { return };
    let mut update = DecodedUpdate::default();
    if let Err(notification) = decode_update(body, &cx, &mut update) {
        assert_eq!(notification.code, iana::error::UPDATE_MESSAGE);
        // RFC 4271 §6.3: the data is an attribute of the message, or nothing.
        let data = &notification.data[..];
        assert!(data.is_empty() || body.windows(data.len()).any(|part| part == data));
        return;
    }
    let announced: usize = update.reach.iter().map(|reach| reach.nlri.len()).sum();
    // An NLRI has an octet at least: nothing is made up.
    assert!(announced + update.unreach.len() + update.attributes.len() <= body.len());
    assert!(update.faults.iter().all(|fault| fault.action != FaultAction::SessionReset));
    assert!(update.faults.iter().all(|fault| fault.to_string().contains("RFC ")));
    assert!(update.unreach.iter().all(|one| cx.families.contains(one.prefix.family())));
    if update.faults.iter().any(|fault| fault.action == FaultAction::TreatAsWithdraw) {
        assert!(update.reach.is_empty(), "RFC 7606 §2");
    }
    if let Some(family) = update.end_of_rib {
        assert!(cx.families.contains(family));
        assert!(announced + update.unreach.len() + update.faults.len() == 0, "RFC 4724 §2");
    }
    for reach in &update.reach {
        assert!(!reach.nlri.is_empty() && cx.families.contains(reach.family));
        assert!(reach.nlri.iter().all(|one| one.prefix.family() == reach.family));
        for one in &reach.nlri {
            assert!(!update.unreach.contains(one), "RFC 4271 §4.3: announced and withdrawn");
        }
        match parse_attributes(&update.attributes, reach.next_hop, &cx) {
            Ok(parsed) => {
                assert_eq!(parsed.attributes.next_hop, reach.next_hop);
                assert!(parsed.attributes.as_path.asns().all(|asn| asn.0 != 0), "RFC 7607 §2");
                let discard = FaultAction::AttributeDiscard;
                assert!(parsed.faults.iter().all(|fault| fault.action == discard));
            }
            Err(fault) => assert_eq!(fault.action, FaultAction::TreatAsWithdraw),
        }
    }
}

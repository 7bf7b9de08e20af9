//! What we understood of an UPDATE reads back the same when we pass it on, and an attribute that
//! we do not know goes on octet by octet (RFC 4271 §5, RFC 7947 §2.2).

use bgp_wire::{
    DecodeContext, DecodedUpdate, EncodingProfile, LinkLocalForm, PathAttributes, Reach,
    decode_update, encode_reach, encode_unreach, message_octets, next_frame, parse_attributes,
};
use bytes::BytesMut;

use crate::context;

pub fn property(data: &[u8]) {
    let Some((cx, body)) = context(data) else { return };
    let mut update = DecodedUpdate::default();
    if decode_update(body, &cx, &mut update).is_err() {
        return;
    }
    let profile = EncodingProfile {
        four_octet_as: cx.four_octet_as,
        add_path: cx.add_path_receive,
        extended_message: true,
        link_local_form: LinkLocalForm::Native,
    };
    for reach in &update.reach {
        if let Ok(parsed) = parse_attributes(&update.attributes, reach.next_hop, &cx) {
            unknown_are_preserved(&parsed.attributes, &update.attributes);
            announcement(reach, &parsed.attributes, &profile, &cx);
        }
    }
    withdrawal(&update, &profile, &cx);
}

/// Every unknown attribute is in the octets that came.
fn unknown_are_preserved(attributes: &PathAttributes, octets: &[u8]) {
    for unknown in &attributes.unknown {
        let octet = |at: usize| u8::try_from(unknown.value.len() >> at & 0xff).unwrap();
        let mut whole = vec![unknown.flags, unknown.code];
        if unknown.flags & 0x10 != 0 {
            whole.push(octet(8));
        }
        whole.push(octet(0));
        whole.extend_from_slice(&unknown.value);
        assert!(octets.windows(whole.len()).any(|part| part == whole));
    }
}

fn announcement(
    reach: &Reach,
    attributes: &PathAttributes,
    profile: &EncodingProfile,
    cx: &DecodeContext,
) {
    if message_octets(profile, reach.family, attributes) > profile.max_message_octets() {
        return;
    }
    // RFC 8950 was needed to receive an IPv6 next hop for IPv4; it is there to send it on.
    let mut out = BytesMut::new();
    let messages = encode_reach(profile, reach.family, attributes, &reach.nlri, &mut out);
    let mut again = DecodedUpdate::default();
    let mut nlri = Vec::new();
    for _ in 0..messages {
        let (_, body) = next_frame(&mut out, profile.max_message_octets()).unwrap().unwrap();
        decode_update(&body, cx, &mut again).unwrap();
        assert!(again.faults.is_empty() && again.unreach.is_empty());
        assert_eq!((again.reach.len(), again.reach[0].family), (1, reach.family));
        let parsed = parse_attributes(&again.attributes, again.reach[0].next_hop, cx).unwrap();
        let mut expected = attributes.clone();
        // They are written in ascending order.
        expected.unknown.sort_by_key(|unknown| unknown.code);
        assert_eq!(parsed.attributes, expected);
        assert!(parsed.faults.is_empty());
        nlri.append(&mut again.reach[0].nlri);
    }
    assert!(out.is_empty());
    assert_eq!(nlri, reach.nlri);
}

fn withdrawal(update: &DecodedUpdate, profile: &EncodingProfile, cx: &DecodeContext) {
    for family in cx.families.iter() {
        let routes: Vec<_> =
            update.unreach.iter().copied().filter(|one| one.prefix.family() == family).collect();
        let mut out = BytesMut::new();
        let messages = encode_unreach(profile, family, &routes, &mut out);
        let mut again = DecodedUpdate::default();
        let mut nlri = Vec::new();
        for _ in 0..messages {
            let (_, body) = next_frame(&mut out, profile.max_message_octets()).unwrap().unwrap();
            decode_update(&body, cx, &mut again).unwrap();
            assert!(again.faults.is_empty() && again.reach.is_empty());
            nlri.append(&mut again.unreach);
        }
        assert!(out.is_empty());
        assert_eq!(nlri, routes);
    }
}

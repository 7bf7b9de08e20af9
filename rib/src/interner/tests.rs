use std::net::Ipv4Addr;

use bgp_wire::{
    AsPath, Asn, EncodingProfile, Families, Family, LinkLocalForm, Nlri, PathAttributes, Prefix,
    decode_update, encode_reach,
};
use bytes::BytesMut;

use super::*;

const CX: DecodeContext = DecodeContext {
    four_octet_as: true,
    add_path_receive: [false; 2],
    families: Families::BOTH,
    extended_next_hop: false,
};

/// The update that a peer with this path sends.
fn update(variant: u32, prefix: u8) -> DecodedUpdate {
    let profile = EncodingProfile {
        four_octet_as: true,
        add_path: [false; 2],
        extended_message: false,
        link_local_form: LinkLocalForm::Native,
    };
    let path = AsPath::from_sequence(&[Asn(1001), Asn(variant + 1)]);
    let attributes = PathAttributes::new(path, NextHop::V4(Ipv4Addr::new(192, 0, 2, 1)));
    let nlri = Nlri::from(Prefix::v4(Ipv4Addr::new(20, prefix, 0, 0), 16).unwrap());
    let mut octets = BytesMut::new();
    encode_reach(&profile, Family::V4, &attributes, &[nlri], &mut octets);
    let mut decoded = DecodedUpdate::default();
    decode_update(&octets[19..], &CX, &mut decoded).unwrap();
    decoded
}

fn intern(interner: &mut Interner, update: &DecodedUpdate) -> Arc<AttributeSet> {
    interner.get_or_parse(update, &update.reach[0], &CX).unwrap().set
}

#[test]
fn equal_octets_are_one_set_and_another_next_hop_is_another() {
    let mut interner = Interner::new(Slot(3));
    let first = intern(&mut interner, &update(5, 1));
    assert!(Arc::ptr_eq(&first, &intern(&mut interner, &update(5, 2))));
    assert!(!Arc::ptr_eq(&first, &intern(&mut interner, &update(6, 1))));
    let mut moved = update(5, 1);
    moved.reach[0].next_hop = NextHop::V4(Ipv4Addr::new(192, 0, 2, 2));
    let moved = intern(&mut interner, &moved);
    assert!(!Arc::ptr_eq(&first, &moved));
    assert_eq!(interner.len(), 3);
    assert_eq!(first.source(), Slot(3));
    assert_eq!(first.attributes().as_path.origin(), Some(Asn(6)));
    assert_eq!(moved.attributes().next_hop, NextHop::V4(Ipv4Addr::new(192, 0, 2, 2)));
}

#[test]
fn malformed_attributes_are_no_set() {
    let mut interner = Interner::new(Slot(0));
    let mut broken = update(5, 1);
    broken.attributes.pop();
    assert!(interner.get_or_parse(&broken, &broken.reach[0], &CX).is_err());
    assert!(interner.is_empty());
}

#[test]
fn sets_that_no_route_holds_are_dropped_when_there_are_many() {
    let mut interner = Interner::new(Slot(0));
    let held: Vec<_> = (0..100).map(|n| intern(&mut interner, &update(n, 1))).collect();
    for n in 100..2_000 {
        intern(&mut interner, &update(n, 1));
        assert!(interner.len() <= FIRST_SWEEP);
    }
    for (n, set) in held.iter().enumerate() {
        assert!(Arc::ptr_eq(set, &intern(&mut interner, &update(n as u32, 1))));
    }
}

/// What is held counts, not what came.
#[test]
fn octets_that_routes_hold_are_bounded() {
    let mut interner = Interner::new(Slot(1));
    let octets = update(0, 1).attributes.as_slice().len();
    for n in 0..1000 {
        intern(&mut interner, &update(n, 1));
        assert!(!interner.is_over(octets * 100), "nobody holds them");
    }
    let mut held = Vec::new();
    let over = (0..1000).find(|n| {
        held.push(intern(&mut interner, &update(10_000 + n, 1)));
        interner.is_over(octets * 100)
    });
    let over = over.expect("there is an end");
    assert!((100..=113).contains(&over), "an eighth late at the most: {over}");
}

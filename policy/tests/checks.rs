//! Every check of import policy, just inside and just outside, in both families, over sessions of
//! IPv4, global IPv6 and link-local IPv6. The table is to be read beside the list of checks that
//! `rsctl policy` prints: a line says what is in force, what the route is like, and what becomes
//! of it.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

mod tables;

use std::sync::Arc;

use bgp_wire::{AsPath, Asn, Family, PathAttributes, Prefix, SegmentKind};
use policy::{
    AspaTable, CheckMode, ImportPolicy, IrrSets, Kind, LengthRange, MemberIrr, MoreSpecifics,
    NextHopMode, NoTrace, Policy, PolicyConfig, RouteSet, RoutingData, Slot, Verdict, Vrp,
    VrpTable,
};
use tables::{SESSIONS, asn_of, community, exchange, next_hop, prefix, route, rows, tag};

/// `over`: by which sessions (any: all three). In force: beside the defaults of a regular route
/// server, IRR being off. The route: as from a member with the AS ME, `ME 3000` being its path.
/// A prefix: `ok` is one that nothing is wrong with, `-` leaves the family out. It comes to:
/// `accepted` with what is found, or the reason.
const TABLE: &str = "
# row | over  | in force                | the route                 | IPv4            | IPv6                | comes to
# Nothing wrong.
   0  | any   | -                       | -                         | ok              | ok                  | accepted rov=not-found

# Scrub: what is ours to say is taken off, what belongs to others stays; ours is attached.
   1  | any   | -                       | 6500:1000:1 6500:1001:1   | ok              | ok                  | accepted left=none
   1  | any   | -                       | 6500:1101:13 6500:1010:7  | ok              | ok                  | accepted left=none
   1  | any   | -                       | 6500:65520:0 6500:65520:5 | ok              | ok                  | accepted left=none
   1  | any   | -                       | 6500:65530:7              | ok              | ok                  | accepted left=none
   1  | any   | -                       | 3000:1 65535:65281        | ok              | ok                  | accepted left=3000:1,65535:65281
   1  | any   | -                       | rt:3000:7 3000:1000:1     | ok              | ok                  | accepted left=rt:3000:7,3000:1000:1
   1  | any   | attach=6500:1000:77     | 6500:1000:1               | ok              | ok                  | accepted left=6500:1000:77

# Next hop. `second`: another router of the member; `same-as`: one of its AS, a member of its own.
   2  | any   | -                       | nh=own                    | ok              | ok                  | accepted
   2  | any   | -                       | nh=second                 | ok              | ok                  | accepted
   2  | any   | -                       | nh=same-as                | ok              | ok                  | next-hop
   2  | any   | -                       | nh=stranger               | ok              | ok                  | next-hop
   2  | any   | next_hop=same-as        | nh=same-as                | ok              | ok                  | accepted
   2  | any   | next_hop=same-as        | nh=stranger               | ok              | ok                  | next-hop
   2  | v4    | next_hop=lan            | nh=stranger               | ok              | ok                  | accepted
   2  | v6    | next_hop=lan            | nh=stranger               | ok              | ok                  | accepted
   2  | any   | next_hop=lan            | nh=outside                | ok              | ok                  | next-hop
   2  | any   | next_hop=any            | nh=outside                | ok              | ok                  | accepted
   2  | any   | next_hop=any            | nh=rs                     | ok              | ok                  | next-hop
   2  | any   | next_hop=any            | nh=multicast              | ok              | ok                  | next-hop
   2  | any   | next_hop=any            | nh=loopback               | ok              | ok                  | next-hop
   2  | any   | next_hop=any            | nh=unspecified            | ok              | ok                  | next-hop
# ... and both halves of it: the link-local one is the session's address, the registered one, or taken off.
   2  | ll    | -                       | nh=-+fe80::11             | ok              | ok                  | next-hop
   2  | ll    | -                       | nh=2a11:1::10+own         | ok              | ok                  | next-hop
   2  | ll    | next_hop=any            | nh=-+fe80::1              | ok              | ok                  | next-hop
   2  | v6    | -                       | nh=own+fe80::99           | ok              | ok                  | accepted stripped
   2  | v6    | link_local=fe80::99     | nh=own+fe80::99           | ok              | ok                  | accepted
   2  | v6    | link_local=fe80::99     | nh=own+fe80::98           | ok              | ok                  | next-hop
   2  | v6    | -                       | nh=-+fe80::99             | ok              | ok                  | next-hop
# ... also where the global half may be anybody's on the LAN.
   2  | ll    | next_hop=lan            | nh=own                    | ok              | ok                  | accepted
   2  | ll    | next_hop=lan            | nh=second                 | ok              | ok                  | accepted
   2  | ll    | next_hop=lan            | nh=stranger               | ok              | ok                  | next-hop
   2  | ll    | next_hop=lan            | nh=2a11:1::40+own         | ok              | ok                  | accepted
   2  | ll    | next_hop=lan            | nh=2a11:1::40+fe80::40    | ok              | ok                  | next-hop
   2  | v6    | next_hop=lan            | nh=2a11:1::40+fe80::40    | ok              | ok                  | accepted stripped
   2  | v6    | next_hop=lan link_local=fe80::99 | nh=own+fe80::99  | ok              | ok                  | accepted
   2  | v6    | next_hop=lan link_local=fe80::99 | nh=own+fe80::98  | ok              | ok                  | next-hop
   2  | v6    | next_hop=lan            | nh=-+fe80::99             | ok              | ok                  | next-hop

# Length of the path.
   3  | any   | -                       | path=                     | ok              | ok                  | as-path-empty
   3  | any   | -                       | path=ME,31*3000           | ok              | ok                  | accepted
   3  | any   | -                       | path=ME,32*3000           | ok              | ok                  | as-path-too-long
   3  | any   | as_path_max=5           | path=ME,4*3000            | ok              | ok                  | accepted
   3  | any   | as_path_max=5           | path=ME,5*3000            | ok              | ok                  | as-path-too-long
   3  | any   | as_path_max=0           | path=ME,200*3000          | ok              | ok                  | accepted

# First AS.
   4  | any   | -                       | path=ME                   | ok              | ok                  | accepted
   4  | any   | -                       | path=1999,ME              | ok              | ok                  | first-as
   4  | any   | first_as=off            | path=1999,3000            | ok              | ok                  | accepted

# AS_SET and AS_CONFED (RFC 9774).
   5  | any   | -                       | path=ME,{3000}            | ok              | ok                  | as-set
   5  | any   | -                       | path=ME,(3000)            | ok              | ok                  | as-set
   5  | any   | as_sets=accepted        | path=ME,{3000}            | ok              | ok                  | accepted

# Bogon AS numbers: the edges of every range.
   6  | any   | -                       | path=ME,0,3000            | ok              | ok                  | bogon-asn
   6  | any   | -                       | path=ME,1,23455,23457     | ok              | ok                  | accepted
   6  | any   | -                       | path=ME,23456             | ok              | ok                  | bogon-asn
   6  | any   | -                       | path=ME,64495             | ok              | ok                  | accepted
   6  | any   | -                       | path=ME,64496             | ok              | ok                  | bogon-asn
   6  | any   | -                       | path=ME,64511             | ok              | ok                  | bogon-asn
   6  | any   | -                       | path=ME,64512             | ok              | ok                  | bogon-asn
   6  | any   | -                       | path=ME,65534             | ok              | ok                  | bogon-asn
   6  | any   | -                       | path=ME,65535             | ok              | ok                  | bogon-asn
   6  | any   | -                       | path=ME,65536             | ok              | ok                  | bogon-asn
   6  | any   | -                       | path=ME,65551             | ok              | ok                  | bogon-asn
   6  | any   | -                       | path=ME,65552             | ok              | ok                  | bogon-asn
   6  | any   | -                       | path=ME,131071            | ok              | ok                  | bogon-asn
   6  | any   | -                       | path=ME,131072            | ok              | ok                  | accepted
   6  | any   | -                       | path=ME,4199999999        | ok              | ok                  | accepted
   6  | any   | -                       | path=ME,4200000000        | ok              | ok                  | bogon-asn
   6  | any   | -                       | path=ME,4294967294        | ok              | ok                  | bogon-asn
   6  | any   | -                       | path=ME,4294967295        | ok              | ok                  | bogon-asn
   6  | any   | bogon_asns=off          | path=ME,64512             | ok              | ok                  | accepted

# Transit-free networks anywhere in the path, the member itself excepted.
   7  | any   | -                       | path=ME,174,3000          | ok              | ok                  | transit-free
   7  | any   | -                       | path=ME,3000,12956        | ok              | ok                  | transit-free
   7  | any   | -                       | path=ME,173,175           | ok              | ok                  | accepted
   7  | any   | transit_free=ME         | path=ME,ME,3000           | ok              | ok                  | accepted
   7  | any   | transit_free=7777       | path=ME,174,7777          | ok              | ok                  | transit-free
   7  | any   | transit_free=none       | path=ME,174               | ok              | ok                  | accepted

# Never by way of route servers.
   8  | any   | -                       | path=ME,7777              | ok              | ok                  | accepted
   8  | any   | never_via_rs=7777       | path=ME,7777,3000         | ok              | ok                  | never-via-route-servers
   8  | any   | never_via_rs=7777       | path=ME,7776,7778         | ok              | ok                  | accepted

# Communities of all kinds together.
   9  | any   | -                       | communities=100           | ok              | ok                  | accepted
   9  | any   | -                       | communities=101           | ok              | ok                  | too-many-communities
   9  | any   | -                       | communities=98 rt:7:7 7:7:7 | ok            | ok                  | accepted
   9  | any   | -                       | communities=99 rt:7:7 7:7:7 | ok            | ok                  | too-many-communities
   9  | any   | -                       | communities=100 65535:6   | ok              | ok                  | accepted
   9  | any   | -                       | communities=100 65535:6 65535:6 | ok        | ok                  | too-many-communities
   9  | any   | max_communities=0       | communities=500           | ok              | ok                  | accepted

# IPv6 outside 2000::/3.
  10  | any   | bogons=off              | -                         | -               | 1fff:ffff::/32      | not-global-unicast
  10  | any   | bogons=off              | -                         | -               | 2000::/32           | accepted
  10  | any   | bogons=off              | -                         | -               | 3fff:ffff::/32      | accepted
  10  | any   | bogons=off              | -                         | -               | 4000::/32           | not-global-unicast
  10  | any   | bogons=off global=off   | -                         | -               | 4000::/32           | accepted

# The peering LAN and the configured blacklist (203.5.0.0/16 and 2a22::/32).
  11  | any   | -                       | -                         | 185.1.0.0/24    | 2a11:1::/64         | blacklisted
  11  | any   | -                       | -                         | 185.1.0.128/25  | 2a11:1::1:0:0:0/80  | blacklisted
  11  | any   | -                       | -                         | 185.1.0.0/23    | 2a11:1::/32         | accepted
  11  | any   | lengths=none            | -                         | 185.1.1.0/24    | 2a11:1:0:1::/64     | accepted
  11  | any   | -                       | -                         | 203.5.0.0/16    | 2a22::/32           | blacklisted
  11  | any   | -                       | -                         | 203.5.7.0/24    | 2a22:0:7::/48       | blacklisted
  11  | any   | -                       | -                         | 203.4.0.0/15    | 2a22::/31           | accepted
  11  | any   | peering_lan=off         | -                         | 185.1.0.0/24    | -                   | accepted

# The member's own blacklist.
  12  | any   | blacklist=193.0.0.0/20,2a00::/16 | -                | ok              | ok                  | member-blacklisted
  12  | any   | blacklist=193.0.0.0/21,2a00:1450::/32 | -           | ok              | ok                  | member-blacklisted
  12  | any   | blacklist=193.0.0.0/22,2a00:1450::/33 | -           | ok              | ok                  | accepted
  12  | any   | blacklist=193.0.8.0/21,2a01::/16 | -                | ok              | ok                  | accepted

# Bogon prefixes and more specifics; the default route exactly.
  13  | any   | -                       | -                         | 10.0.0.0/8      | 2001:db8::/32       | bogon-prefix
  13  | any   | -                       | -                         | 192.168.7.0/24  | 2001:db8:7::/48     | bogon-prefix
  13  | any   | -                       | -                         | 11.0.0.0/8      | 2001:db9::/32       | accepted
  13  | any   | global=off              | -                         | 0.0.0.0/0       | ::/0                | bogon-prefix
  13  | any   | bogons=off              | -                         | 10.0.0.0/8      | 2001:db8::/32       | accepted

# IRR: the origin. `set`: what the member's as-set holds; `own`: the same without an as-set configured.
  14  | any   | irr=reject set=3000     | path=ME,3000              | ok              | ok                  | accepted irr=present
  14  | any   | irr=reject set=3000     | path=ME,3001              | ok              | ok                  | irr-origin
  14  | any   | irr=reject set=3000     | path=ME                   | ok              | ok                  | irr-origin
  14  | any   | irr=reject set=3000 extra_asns=3001 | path=ME,3001  | ok              | ok                  | accepted irr=present
  14  | any   | irr=reject own=ME       | path=ME                   | ok              | ok                  | accepted irr=present
  14  | any   | irr=reject own=ME       | path=ME,3000              | ok              | ok                  | irr-origin
  14  | any   | irr=reject set=empty    | path=ME                   | ok              | ok                  | irr-origin
  14  | any   | irr=reject set=unknown  | path=ME                   | ok              | ok                  | irr-origin
  14  | any   | irr=reject set=never    | path=ME                   | ok              | ok                  | irr-origin
  14  | any   | irr=reject set=3000 irr_max=2 | path=ME,3000        | ok              | ok                  | accepted irr=present
  14  | any   | irr=reject set=3000 irr_max=1 | path=ME,3000        | ok              | ok                  | irr-origin
  14  | any   | irr=reject set=3000,174 refuse_transit_free | path=ME,3000 | ok       | ok                  | irr-origin
  14  | any   | irr=reject set=3000,174 | path=ME,3000              | ok              | ok                  | accepted irr=present
  14  | any   | irr=tag set=3000        | path=ME,3001              | ok              | ok                  | accepted irr=absent
  14  | any   | irr=per-member set=3000 | path=ME,3001              | ok              | ok                  | accepted irr=absent
  14  | any   | irr=off set=3000        | path=ME,3001              | ok              | ok                  | accepted irr=not-checked

# IRR: the prefix. The set's objects: 193.0.0.0/16, 45.0.0.0/26, 2a00:1450::/32 and 2a05::/56.
  15  | any   | irr=reject set=3000     | -                         | 193.0.0.0/16    | 2a00:1450::/32      | accepted irr=present
  15  | any   | irr=reject set=3000     | -                         | 193.0.0.0/24    | 2a00:1450::/48      | accepted irr=present
  15  | any   | irr=reject set=3000     | -                         | 193.0.0.0/25    | 2a00:1450::/49      | irr-prefix
  15  | any   | irr=reject set=3000     | -                         | 193.0.0.0/15    | 2a00:1450::/31      | irr-prefix
  15  | any   | irr=reject set=3000     | -                         | 193.1.0.0/16    | 2a00:1451::/32      | irr-prefix
  15  | any   | irr=reject set=3000     | -                         | 45.0.0.0/26     | 2a05::/56           | prefix-too-long
  15  | any   | irr=reject set=3000 exact | -                       | 193.0.0.0/16    | 2a00:1450::/32      | accepted irr=present
  15  | any   | irr=reject set=3000 exact | -                       | 193.0.0.0/17    | 2a00:1450::/33      | irr-prefix
  15  | any   | irr=reject set=3000 extra_prefixes=193.1.0.0/16,2a00:1451::/32 | - | 193.1.7.0/24 | 2a00:1451:7::/48 | accepted irr=present
# A ROA that is Valid for an origin of the set counts as a route object.
  15  | any   | irr=reject set=3000 vrp=193.1.0.0/16-24=3000,2a00:1451::/32-48=3000 | - | 193.1.0.0/24 | 2a00:1451::/48 | accepted irr=roa
  15  | any   | irr=reject set=3000 vrp=193.1.0.0/16-23=3000,2a00:1451::/32-47=3000 | - | 193.1.0.0/24 | 2a00:1451::/48 | irr-prefix
  15  | any   | irr=reject set=3000 vrp=193.1.0.0/16-24=3001,2a00:1451::/32-48=3001 | path=ME,3001 | 193.1.0.0/24 | 2a00:1451::/48 | irr-origin
  15  | any   | irr=tag set=3000        | -                         | 193.1.0.0/16    | 2a00:1451::/32      | accepted irr=absent

# A blackhole request has passed 14 and 15 and skips 17 to 19.
  16  | any   | irr=reject set=3000 blackhole | 65535:666           | 193.0.0.1/32    | 2a00:1450::1/128    | accepted blackhole
  16  | any   | irr=reject set=3000 blackhole | 6500:666:0          | 193.0.0.1/32    | 2a00:1450::1/128    | accepted blackhole
  16  | any   | irr=reject set=3000 blackhole | 65535:666           | 193.1.0.1/32    | 2a00:1451::1/128    | irr-prefix
  16  | any   | irr=reject set=3000 blackhole | 65535:666 path=ME,3001 | 193.0.0.1/32 | 2a00:1450::1/128    | irr-origin
  16  | any   | irr=reject set=3000 blackhole vrp=193.0.0.0/16-16=9,2a00:1450::/32-32=9 | 65535:666 | 193.0.0.1/32 | 2a00:1450::1/128 | accepted blackhole
  16  | any   | irr=reject set=3000 blackhole | 65535:667           | 193.0.0.1/32    | 2a00:1450::1/128    | irr-prefix
  16  | any   | blackhole                  | 65535:666              | 193.0.0.1/32    | 2a00:1450::1/128    | prefix-too-long
  16  | any   | irr=tag set=3000 blackhole | 65535:666              | 193.1.0.1/32    | 2a00:1451::1/128    | prefix-too-long
  16  | any   | irr=reject set=3000     | 65535:666                 | 193.0.0.1/32    | 2a00:1450::1/128    | irr-prefix
  16  | any   | -                       | 65535:666                 | 193.0.0.1/32    | 2a00:1450::1/128    | prefix-too-long

# ROV (RFC 6811).
  17  | any   | vrp=193.0.0.0/21-21=3000,2a00:1450::/32-32=3000 | - | ok              | ok                  | accepted rov=valid
  17  | any   | vrp=193.0.0.0/21-21=3001,2a00:1450::/32-32=3001 | - | ok              | ok                  | rov-invalid
  17  | any   | vrp=193.0.0.0/20-20=3000,2a00:1400::/24-31=3000 | - | ok              | ok                  | rov-invalid
  17  | any   | vrp=193.0.0.0/20-21=3000,2a00:1400::/24-32=3000 | - | ok              | ok                  | accepted rov=valid
  17  | any   | vrp=193.0.0.0/21-21=3001,193.0.0.0/21-21=3000,2a00:1450::/32-32=9,2a00:1450::/32-32=3000 | - | ok | ok | accepted rov=valid
  17  | any   | vrp=193.0.8.0/21-24=3001,2a00:1451::/32-48=3001 | - | ok              | ok                  | accepted rov=not-found
  17  | any   | vrp=193.0.0.0/21-21=0,2a00:1450::/32-32=0 | -       | ok              | ok                  | rov-invalid
  17  | any   | as_sets=accepted vrp=193.0.0.0/21-21=3000,2a00:1450::/32-32=3000 | path=ME,{3000} | ok | ok | rov-invalid
  17  | any   | rpki=tag vrp=193.0.0.0/21-21=9,2a00:1450::/32-32=9 | - | ok           | ok                  | accepted rov=invalid
  17  | any   | rpki=per-member vrp=193.0.0.0/21-21=9,2a00:1450::/32-32=9 | - | ok    | ok                  | accepted rov=invalid
  17  | any   | rpki=off vrp=193.0.0.0/21-21=9,2a00:1450::/32-32=9 | - | ok           | ok                  | accepted rov=not-checked

# ASPA, upstream: `3000:ME` says that ME is a provider of 3000.
  18  | any   | aspa=reject             | path=ME,3000              | ok              | ok                  | accepted aspa=unknown
  18  | any   | aspa=reject aspas=3000:ME | path=ME,3000            | ok              | ok                  | accepted aspa=valid
  18  | any   | aspa=reject aspas=3000:9  | path=ME,3000            | ok              | ok                  | aspa-invalid
  18  | any   | aspa=reject aspas=3000:9,3000:ME | path=ME,3000     | ok              | ok                  | accepted aspa=valid
  18  | any   | aspa=reject aspas=3000:0  | path=ME,3000            | ok              | ok                  | aspa-invalid
  18  | any   | aspa=reject aspas=3001:3000 | path=ME,3000,3001     | ok              | ok                  | accepted aspa=unknown
  18  | any   | aspa=reject aspas=3001:3000,3000:9 | path=ME,3000,3001 | ok           | ok                  | aspa-invalid
  18  | any   | aspa=reject aspas=3000:9  | path=ME                 | ok              | ok                  | accepted aspa=valid
  18  | any   | aspa=reject as_sets=accepted | path=ME,{3000}       | ok              | ok                  | aspa-invalid
  18  | any   | aspa=tag aspas=3000:9     | path=ME,3000            | ok              | ok                  | accepted aspa=invalid
  18  | any   | aspas=3000:9              | path=ME,3000            | ok              | ok                  | accepted aspa=not-checked

# Length by the family of the prefix, whatever the session is.
  19  | any   | -                       | -                         | 193.0.0.0/24    | 2a00:1450::/48      | accepted
  19  | any   | -                       | -                         | 193.0.0.0/25    | 2a00:1450::/49      | prefix-too-long
  19  | any   | -                       | -                         | 193.0.0.0/8     | 2a00::/12           | accepted
  19  | any   | -                       | -                         | 192.0.0.0/7     | 2a00::/11           | prefix-too-short
  19  | any   | lengths=16-21,29-32     | -                         | 193.0.0.0/21    | 2a00:1450::/32      | accepted
  19  | any   | lengths=16-20,29-31     | -                         | 193.0.0.0/21    | 2a00:1450::/32      | prefix-too-long
  19  | any   | lengths=none            | -                         | 193.0.0.1/32    | 2a00:1450::1/128    | accepted

# OTC (RFC 9234), only with roles.
  20  | any   | roles                   | -                         | ok              | ok                  | accepted
  20  | any   | roles                   | otc=ME                    | ok              | ok                  | route-leak
  20  | any   | roles                   | otc=9                     | ok              | ok                  | route-leak
  20  | any   | -                       | otc=ME                    | ok              | ok                  | accepted
  20  | any   | transitable roles       | otc=ME                    | ok              | ok                  | accepted
  20  | any   | chaos roles             | otc=ME                    | ok              | ok                  | accepted

# GRACEFUL_SHUTDOWN (RFC 8326).
  21  | any   | -                       | 65535:0                   | ok              | ok                  | accepted graceful-shutdown left=65535:0
  21  | any   | -                       | 65535:1                   | ok              | ok                  | accepted
  21  | any   | graceful_shutdown=off   | 65535:0                   | ok              | ok                  | accepted left=65535:0

# The first check that fails gives the reason.
   2  | any   | -                       | nh=stranger path=1999,174 | 10.0.0.0/32     | 2001:db8::/64       | next-hop
   3  | any   | -                       | path=1999,32*174          | 10.0.0.0/32     | 2001:db8::/64       | as-path-too-long
   4  | any   | -                       | path=1999,174,64512       | 10.0.0.0/32     | 2001:db8::/64       | first-as
   6  | any   | -                       | path=ME,174,64512         | 10.0.0.0/32     | 2001:db8::/64       | bogon-asn
   7  | any   | -                       | path=ME,174 communities=101 | 10.0.0.0/32   | 2001:db8::/64       | transit-free
  13  | any   | irr=reject set=empty roles | otc=ME                 | 10.0.0.0/32     | 2001:db8::/64       | bogon-prefix
  14  | any   | irr=reject set=empty roles vrp=193.0.0.0/16-16=9,2a00::/16-16=9 | otc=ME | 193.0.0.0/25 | 2a00:1450::/49 | irr-origin
  17  | any   | roles vrp=193.0.0.0/16-16=9,2a00::/16-16=9 | otc=ME | 193.0.0.0/25   | 2a00:1450::/49      | rov-invalid
  19  | any   | roles                   | otc=ME                    | 193.0.0.0/25    | 2a00:1450::/49      | prefix-too-long
";

/// What a member's set holds, whatever ASes are in it.
const OBJECTS: [&str; 4] = ["193.0.0.0/16", "45.0.0.0/26", "2a00:1450::/32", "2a05::/56"];

/// A line, for one session.
struct Case {
    session: Slot,
    config: PolicyConfig,
    data: RoutingData,
    attributes: PathAttributes,
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no number"))
}

fn list<T>(text: &str, item: impl Fn(&str) -> T) -> Vec<T> {
    text.split(',').filter(|item| !item.is_empty() && *item != "none").map(item).collect()
}

fn mode(text: &str) -> CheckMode {
    match text {
        "reject" => CheckMode::Reject,
        "tag" => CheckMode::Tag,
        "per-member" => CheckMode::PerMember,
        "off" => CheckMode::Off,
        _ => panic!("{text:?} is no mode"),
    }
}

impl Case {
    fn new(session: Slot, in_force: &str, route_words: &str) -> Self {
        let says = |kind| in_force.split_whitespace().any(|word| word == kind);
        let kind = match (says("transitable"), says("chaos")) {
            (true, _) => Kind::Transitable,
            (_, true) => Kind::Chaos,
            _ => Kind::Regular,
        };
        let mut config = exchange(kind);
        config.blacklist = vec![prefix("203.5.0.0/16"), prefix("2a22::/32")];
        let mut case =
            Self { session, config, data: RoutingData::default(), attributes: route(session) };
        for word in in_force.split_whitespace().filter(|word| *word != "-") {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            case.set(key, value);
        }
        for word in route_words.split_whitespace().filter(|word| *word != "-") {
            let (key, value) = word.split_once('=').unwrap_or(("", word));
            case.dress(key, value);
        }
        case
    }

    fn asn(&self, text: &str) -> Asn {
        if text == "ME" { asn_of(self.session) } else { Asn(number(text)) }
    }

    fn asns(&self, text: &str) -> Arc<[Asn]> {
        list(text, |asn| self.asn(asn)).into()
    }

    fn import(&mut self) -> &mut ImportPolicy {
        Arc::make_mut(&mut self.peer().import)
    }

    fn peer(&mut self) -> &mut policy::PeerPolicy {
        self.config.peers[self.session.index()].as_mut().unwrap()
    }

    fn set(&mut self, key: &str, value: &str) {
        let asns = match key {
            "transit_free" | "never_via_rs" | "extra_asns" => self.asns(value),
            _ => Arc::default(),
        };
        let prefixes = || list(value, prefix).into();
        match key {
            "attach" => {
                let patterns: Vec<policy::Pattern> = list(value, |text| text.parse().unwrap());
                self.import().attach_communities = patterns.into();
            }
            "link_local" => self.peer().link_local = Some(tables::v6(value)),
            "next_hop" => {
                self.import().next_hop = match value {
                    "same-as" => NextHopMode::SameAs,
                    "lan" => NextHopMode::Lan,
                    "any" => NextHopMode::Any,
                    _ => panic!("{value:?} is no mode"),
                }
            }
            "as_path_max" => self.import().as_path_max = number(value),
            "first_as" => self.import().first_as = false,
            "as_sets" => self.import().reject_as_sets = false,
            "bogon_asns" => self.import().bogon_asns = false,
            "transit_free" => self.import().transit_free = asns,
            "never_via_rs" => self.import().never_via_rs = asns,
            "max_communities" => self.import().max_communities = number(value),
            "global" => self.import().global_unicast_only = false,
            "peering_lan" => self.import().peering_lan = false,
            "blacklist" => self.import().blacklist = prefixes(),
            "bogons" => self.import().bogon_prefixes = false,
            "irr" => self.import().irr = mode(value),
            "set" | "own" => self.irr_set(key, value),
            "irr_max" => self.import().irr_max_prefixes = [Some(number(value)); 2],
            "refuse_transit_free" => self.import().irr_refuse_transit_free = true,
            "exact" => self.import().irr_more_specifics = MoreSpecifics::Exact,
            "extra_asns" => self.import().irr_extra_asns = asns,
            "extra_prefixes" => self.import().irr_extra_prefixes = prefixes(),
            "blackhole" => self.import().blackhole = true,
            "rpki" => self.import().rpki = mode(value),
            "vrp" => self.data.vrps = Arc::new(VrpTable::from_vrps(list(value, vrp))),
            "aspa" => self.import().aspa = mode(value),
            "aspas" => {
                let aspas = list(value, |aspa| {
                    let (customer, provider) = aspa.split_once(':').expect("CUSTOMER:PROVIDER");
                    (self.asn(customer), [self.asn(provider)])
                });
                self.data.aspas = Arc::new(AspaTable::from_aspas(aspas));
            }
            "lengths" => self.import().prefix_length = lengths(value),
            "roles" => self.peer().role_rfc9234 = true,
            "graceful_shutdown" => self.import().graceful_shutdown = false,
            "transitable" | "chaos" => {}
            _ => panic!("{key:?} is no setting"),
        }
    }

    fn irr_set(&mut self, key: &str, value: &str) {
        let origins = match value {
            "empty" | "unknown" | "never" => Arc::default(),
            _ => self.asns(value),
        };
        if key == "set" {
            self.peer().as_set = [Arc::from("AS-TEST")].into();
        }
        let routes = || RouteSet::new(origins.iter().copied(), OBJECTS.map(prefix));
        let irr = match value {
            "never" => return,
            "unknown" => MemberIrr::unknown("AS-TEST"),
            "empty" => MemberIrr::fetched("AS-TEST", 0, RouteSet::default()),
            _ => MemberIrr::fetched("AS-TEST", 0, routes()),
        };
        let member = self.peer().member;
        self.data.irr = Arc::new(IrrSets::from_members([(member, irr)]));
    }

    fn dress(&mut self, key: &str, value: &str) {
        match key {
            "path" => self.attributes.as_path = self.path(value),
            "nh" => self.attributes.next_hop = next_hop(self.session, value),
            "otc" => self.attributes.otc = Some(self.asn(value)),
            "communities" => {
                for local in 0..number::<u16>(value) {
                    tag(&mut self.attributes, bgp_wire::Community::new(3000, local).into());
                }
            }
            _ => tag(&mut self.attributes, community(value, tables::RS)),
        }
    }

    /// `ME,3*174,{3000},(3001)`.
    fn path(&self, text: &str) -> AsPath {
        let mut segments: Vec<(SegmentKind, Vec<Asn>)> = Vec::new();
        for word in text.split(',').filter(|word| !word.is_empty()) {
            let (kind, word) = match word.as_bytes()[0] {
                b'{' => (SegmentKind::Set, word.trim_matches(['{', '}'])),
                b'(' => (SegmentKind::ConfedSequence, word.trim_matches(['(', ')'])),
                _ => (SegmentKind::Sequence, word),
            };
            let (times, asn) = word.split_once('*').unwrap_or(("1", word));
            let asns = vec![self.asn(asn); number(times)];
            match segments.last_mut() {
                Some((last, list)) if *last == kind => list.extend(asns),
                _ => segments.push((kind, asns)),
            }
        }
        AsPath::from_segments(segments.iter().map(|(kind, asns)| (*kind, &asns[..])))
    }

    /// What becomes of the route, in the words of the table.
    fn outcome(&self, prefix: &Prefix) -> Vec<String> {
        let policy = Policy::new(self.config.clone()).expect("the policy compiles");
        let verdict = policy.attribute_verdict(self.session, &self.attributes, &mut NoTrace);
        match policy.prefix_verdict(self.session, &verdict, prefix, &self.data, &mut NoTrace) {
            Verdict::Reject(reason) => vec![reason.name().to_owned()],
            Verdict::Accept(class) => {
                let mut words = vec!["accepted".to_owned()];
                words.push(format!("rov={}", kebab(&class.rov())));
                words.push(format!("aspa={}", kebab(&class.aspa())));
                let irr = match (class.irr_origin(), class.irr_prefix()) {
                    (policy::IrrState::NotChecked, _) => "not-checked",
                    _ if class.fails_irr() => "absent",
                    (_, policy::IrrState::Roa) => "roa",
                    _ => "present",
                };
                words.push(format!("irr={irr}"));
                let facts = [
                    (class.blackhole(), "blackhole"),
                    (verdict.facts.graceful_shutdown, "graceful-shutdown"),
                    (verdict.facts.link_local_stripped, "stripped"),
                ];
                words.extend(facts.iter().filter(|(is, _)| *is).map(|(_, w)| (*w).to_owned()));
                let base = verdict.base.expect("what is accepted has attributes");
                let left = tables::communities(&base.attributes).join(",");
                words.push(format!("left={}", if left.is_empty() { "none" } else { &left }));
                words
            }
        }
    }
}

/// `NotFound` as `not-found`.
fn kebab(state: &impl std::fmt::Debug) -> String {
    let mut out = String::new();
    for letter in format!("{state:?}").chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push('-');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

fn vrp(text: &str) -> Vrp {
    let (range, asn) = text.split_once('=').expect("PREFIX-LENGTH=AS");
    let (covered, longest) = range.split_once('-').expect("PREFIX-LENGTH");
    Vrp { prefix: prefix(covered), max_len: number(longest), asn: Asn(number(asn)) }
}

fn lengths(text: &str) -> [Option<LengthRange>; 2] {
    let ranges = list(text, |range| {
        let (min, max) = range.split_once('-').expect("FROM-TO");
        LengthRange { min: number(min), max: number(max) }
    });
    [ranges.first().copied(), ranges.get(1).copied()]
}

fn good(family: Family) -> &'static str {
    match family {
        Family::V4 => "193.0.0.0/21",
        Family::V6 => "2a00:1450::/32",
    }
}

/// Words that must be said when they hold.
const NOTABLE: [&str; 3] = ["blackhole", "graceful-shutdown", "stripped"];

fn check(line: &str, case: &Case, text: &str, expected: &[&str]) {
    let found = case.outcome(&prefix(text));
    let said = |word: &str| expected.contains(&word);
    let all_there = expected.iter().all(|word| found.iter().any(|found| found == word));
    let nothing_hidden = found.iter().all(|word| !NOTABLE.contains(&word.as_str()) || said(word));
    assert!(all_there && nothing_hidden, "{line}\n{text}: {found:?}");
}

#[test]
fn every_row_just_inside_and_just_outside() {
    let mut seen = std::collections::BTreeSet::new();
    let mut checked = 0;
    for row in rows(TABLE) {
        let [number_of_row, over, in_force, route, v4, v6, comes_to] = row[..] else {
            panic!("{row:?} has not seven cells");
        };
        seen.insert(number::<u8>(number_of_row));
        let expected: Vec<&str> = comes_to.split_whitespace().collect();
        for (name, session) in SESSIONS {
            if over != "any" && !over.split(',').any(|one| one == name) {
                continue;
            }
            let case = Case::new(session, in_force, route);
            for (family, text) in [(Family::V4, v4), (Family::V6, v6)] {
                let text = if text == "ok" { good(family) } else { text };
                if text != "-" {
                    assert_eq!(prefix(text).family(), family);
                    check(&format!("over {name}: {row:?}"), &case, text, &expected);
                    checked += 1;
                }
            }
        }
    }
    assert_eq!(seen, (0..=21).collect());
    println!("{checked} routes judged");
}

//! What a NOTIFICATION usually means between a member and a route server, in a sentence.

use bgp_wire::Notification;
use bgp_wire::iana::{cease, error, open_error, update_error};

/// The peer sent it.
pub(crate) fn received(notification: &Notification) -> Option<&'static str> {
    match (notification.code, notification.subcode) {
        // RFC 7947 §2.2.2.1: a client must not insist on our AS in front of the path.
        (error::UPDATE_MESSAGE, update_error::MALFORMED_AS_PATH) => Some(
            "the peer insists on our AS as the first of the AS_PATH, where a route server does not \
             put it: switch that check off at the peer (BIRD: enforce first as off; FRR and Cisco: \
             no bgp enforce-first-as; OpenBGPD: enforce neighbor-as no)",
        ),
        (error::UPDATE_MESSAGE, update_error::INVALID_NEXT_HOP) => Some(
            "the peer does not take next hops that are not the address of this session: the next \
             hop of a route server's routes is the member that sent them",
        ),
        (error::OPEN_MESSAGE, subcode) => open_received(subcode),
        (error::HOLD_TIMER_EXPIRED, _) => Some(
            "the peer heard nothing from us for its hold time: look for loss or a wrong MTU \
             between us (small packets pass, full ones do not)",
        ),
        (error::CEASE, subcode) => cease_received(subcode),
        (error::SEND_HOLD_TIMER_EXPIRED, _) => {
            Some("we took nothing from the peer for its send hold time: are we starved of CPU?")
        }
        _ => None,
    }
}

fn open_received(subcode: u8) -> Option<&'static str> {
    Some(match subcode {
        open_error::UNSUPPORTED_VERSION => "the peer speaks no BGP-4",
        open_error::BAD_PEER_AS => "the peer is configured with another AS for us",
        open_error::BAD_BGP_IDENTIFIER => {
            "our router id is also that of the peer, or one that it does not accept"
        }
        open_error::UNSUPPORTED_OPTIONAL_PARAMETER => {
            "the peer does not know capabilities: the next tries go without"
        }
        open_error::UNACCEPTABLE_HOLD_TIME => "the peer asks for another hold time than ours",
        open_error::UNSUPPORTED_CAPABILITY => {
            "the peer insists on a capability, or refuses one, that we have not in common: compare \
             address families, extended next hop and four-octet AS on both sides"
        }
        open_error::ROLE_MISMATCH => {
            "the roles (RFC 9234) do not fit: the peer of a route server is rs-client"
        }
        _ => return None,
    })
}

fn cease_received(subcode: u8) -> Option<&'static str> {
    Some(match subcode {
        cease::MAXIMUM_PREFIXES => {
            "the peer's prefix limit for us is smaller than what the exchange has: ask for a \
             higher one"
        }
        cease::PEER_DECONFIGURED => "the peer has removed us from its configuration",
        cease::CONNECTION_REJECTED => {
            "the peer does not want this connection now: it may hold us off after an earlier \
             error, or know no session with our address"
        }
        _ => return None,
    })
}

/// We sent it.
pub(crate) fn sent(notification: &Notification) -> Option<&'static str> {
    if notification.code != error::OPEN_MESSAGE {
        return None;
    }
    Some(match notification.subcode {
        open_error::BAD_PEER_AS => {
            "the peer's OPEN names another AS than the one configured for this address"
        }
        open_error::BAD_BGP_IDENTIFIER => "the peer's router id is zero, or ours in our own AS",
        open_error::UNACCEPTABLE_HOLD_TIME => "the peer proposes a hold time of 1 or 2 seconds",
        open_error::UNSUPPORTED_CAPABILITY => {
            "the peer offers none of the address families configured for it"
        }
        open_error::ROLE_MISMATCH => "the roles (RFC 9234) of the two sides do not fit",
        _ => return None,
    })
}

//! IRR and RPKI data of a load: the same for every daemon, each in the form it reads.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use crate::universe::Universe;

/// ROAs beside those of the load: the size of the real RPKI.
pub(crate) const FILLER_ROAS: u32 = 400_000;

/// An AS that is nobody's origin.
const NOBODY: u32 = 64_499;

/// A ROA as (prefix text, greatest length, AS).
pub(crate) fn filler_roas(roas: u32) -> impl Iterator<Item = (String, u8, u32)> {
    // From 100.0.0.0 (IPv4) and 2a00:: (IPv6) upwards, where no load announces anything.
    (0..roas).map(|n| {
        let asn = 20_000 + n % 30_000;
        if n % 5 == 0 {
            let bits = (0x2a00_u128 << 112) + (u128::from(n) << 84);
            (format!("{}/44", std::net::Ipv6Addr::from(bits)), 48, asn)
        } else {
            (format!("{}/22", std::net::Ipv4Addr::from(0x7000_0000 + (n << 10))), 24, asn)
        }
    })
}

/// Every other announced prefix has a ROA of its real origin.
pub(crate) fn load_roas(u: &Universe) -> impl Iterator<Item = (String, u8, u32)> {
    let length = if u.v6_nlri() { 48 } else { 24 };
    (0..u.spec.members).flat_map(move |m| {
        let turned = move |k| u.is_turned(u.prefix_index(m, k));
        (0..u.prefixes_of(m)).filter(move |k| k % 2 == 0 || turned(*k)).filter_map(move |k| {
            let origin = *u.as_path(u.set_of(m, k)).last()?;
            let origin = if turned(k) { NOBODY } else { origin };
            Some((u.prefix_text(u.prefix_index(m, k)), length, origin))
        })
    })
}

/// VRPs in the JSON form that validators write.
pub(crate) fn write_vrps(u: &Universe, dir: &Path) -> io::Result<PathBuf> {
    let path = dir.join("vrps.json");
    let mut text = String::from("{\"roas\":[\n");
    for (n, (prefix, length, asn)) in filler_roas(u.filler_roas).chain(load_roas(u)).enumerate() {
        let comma = if n == 0 { "" } else { ",\n" };
        let _ = write!(
            text,
            "{comma}{{\"asn\":{asn},\"prefix\":\"{prefix}\",\"maxLength\":{length},\"ta\":\"lab\"}}"
        );
    }
    text.push_str("\n]}\n");
    // Whole or not at all: the daemon reads it again as soon as it changes.
    let new = dir.join("vrps.json.new");
    std::fs::write(&new, text)?;
    std::fs::rename(&new, &path)?;
    Ok(path)
}

/// as-sets and route objects in RPSL: what an IRR mirror would hold.
pub(crate) fn write_rpsl(u: &Universe, dir: &Path) -> io::Result<PathBuf> {
    let path = dir.join("irr.db");
    let mut text = String::new();
    for m in 0..u.spec.members {
        let (asn, customer) = (u.asn(m), Universe::customer_asn(m));
        let _ = write!(text, "as-set: AS-M{m}\nmembers: AS{asn}, AS{customer}\nsource: LAB\n\n");
        let class = if u.v6_nlri() { "route6" } else { "route" };
        for k in 0..u.prefixes_of(m) {
            let prefix = u.prefix_text(u.prefix_index(m, k));
            let _ = write!(text, "{class}: {prefix}\norigin: AS{customer}\nsource: LAB\n\n");
        }
    }
    std::fs::write(&path, text)?;
    Ok(path)
}

//! A table of what all members send (TABLE_DUMP_V2), page by page, while the shards go on.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bgp_wire::mrt::{Peer, RibEntry, peer_index_table, rib};
use bytes::BytesMut;
use policy::Slot;
use rib::{Cursor, WatchedRoute};

use super::files::{Kind, Part};
use crate::config::RouteServer;
use crate::runtime::Inner;
use crate::runtime::limits::MONITOR_PAGE;
use crate::times::{Times, since_epoch};

/// Records are written when there are so many octets of them: each route repeats its attributes,
/// however many have the same large ones.
const WRITE_OCTETS: usize = 1 << 20;

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TableError {
    /// The disk.
    #[error("{path}: {error}")]
    File {
        /// The directory.
        path: String,
        /// What went wrong.
        error: io::Error,
    },
    /// Nobody asked for tables.
    #[error("MRT files are not configured: there is no [mrt]")]
    NotConfigured,
    /// The daemon ends.
    #[error("the daemon is shutting down")]
    Stopping,
}

/// What a table is made of.
#[derive(Debug)]
pub(super) struct Table<'a> {
    pub(super) inner: &'a Inner,
    pub(super) index: usize,
    pub(super) server: &'a RouteServer,
    pub(super) directory: &'a Path,
    pub(super) add_path: bool,
}

/// What was written.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) path: PathBuf,
    pub(super) prefixes: u32,
    pub(super) routes: u64,
    pub(super) octets: u64,
}

impl Table<'_> {
    /// Writes the table as it is from now on: each prefix at the moment when its page was read.
    pub(super) async fn write(&self) -> Result<Written, TableError> {
        let now = since_epoch(SystemTime::now());
        let failed = |error| TableError::File { path: self.directory.display().to_string(), error };
        let mut part = Part::create(self.directory, Kind::Table, now).map_err(failed)?;
        let (prefixes, routes, octets) = self.fill(&mut part, now).await?;
        let path = part.finish().map_err(failed)?.unwrap_or_default();
        Ok(Written { path, prefixes, routes, octets })
    }

    async fn fill(&self, part: &mut Part, now: Duration) -> Result<(u32, u64, u64), TableError> {
        let failed = |error| TableError::File { path: self.directory.display().to_string(), error };
        let peers = self.peers().await;
        let mut out = BytesMut::new();
        let listed: Vec<_> = peers.listed;
        peer_index_table(now, self.server.router_id, &self.server.name, &listed, &mut out);
        let (mut sequence, mut routes, mut octets) = (0, 0, 0);
        for shard in 0..self.inner.engine.inboxes.len() {
            let mut cursor = Some(Cursor::START);
            while let Some(at) = cursor {
                let page = self
                    .inner
                    .ask_shard(shard, self.index, move |shard| shard.watch_page(at, MONITOR_PAGE))
                    .await
                    .map_err(|_| TableError::Stopping)?;
                let times = (Times::now(), now);
                for of_prefix in page.routes.chunk_by(|a, b| a.prefix == b.prefix) {
                    routes += self.put(of_prefix, &peers.places, times, &mut sequence, &mut out);
                    if out.len() >= WRITE_OCTETS {
                        octets += part.append(&out).map_err(failed)?;
                        out.clear();
                    }
                }
                octets += part.append(&out).map_err(failed)?;
                out.clear();
                cursor = page.next;
            }
        }
        Ok((sequence, routes, octets))
    }

    /// Writes the record of a prefix, unless nobody has a route for it.
    fn put(
        &self,
        of_prefix: &[WatchedRoute],
        places: &HashMap<Slot, u16>,
        (times, started): (Times, Duration),
        sequence: &mut u32,
        out: &mut BytesMut,
    ) -> u64 {
        let entries: Vec<_> =
            of_prefix.iter().filter_map(|route| entry(route, places, times)).collect();
        let (Some(first), false) = (of_prefix.first(), entries.is_empty()) else { return 0 };
        let before = out.len();
        match rib(started, *sequence, &first.prefix, self.add_path, &entries, out) {
            0 => {
                out.truncate(before);
                0
            }
            written => {
                *sequence += 1;
                written as u64
            }
        }
    }

    /// Everybody who may have a route: all configured sessions, those included that are down,
    /// whose routes may be kept for their restart (RFC 4724).
    async fn peers(&self) -> Peers {
        let mut peers = Peers { listed: Vec::new(), places: HashMap::new() };
        let sessions = self.inner.snapshot(None).await;
        for session in sessions.iter().filter(|one| one.id.route_server == self.server.name) {
            let Ok(place) = u16::try_from(peers.listed.len()) else { break };
            let router_id = session.negotiated.as_ref().map(|negotiated| negotiated.router_id);
            peers.listed.push(Peer {
                router_id: router_id.unwrap_or(std::net::Ipv4Addr::UNSPECIFIED),
                address: session.id.address,
                asn: bgp_wire::Asn(session.asn),
            });
            peers.places.insert(Slot(session.slot), place);
        }
        peers
    }
}

struct Peers {
    listed: Vec<Peer>,
    places: HashMap<Slot, u16>,
}

/// A route of a page that was read at `times`. None of who was configured after the list of peers
/// was written: they are in the next table.
fn entry<'a>(
    route: &'a WatchedRoute,
    places: &HashMap<Slot, u16>,
    times: Times,
) -> Option<RibEntry<'a>> {
    let source = route.set.source();
    Some(RibEntry {
        peer: *places.get(&source)?,
        originated: times.of(route.received),
        path_id: u32::from(source.0) + 1,
        attributes: route.set.attributes(),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use bgp_wire::{AsPath, Asn, NextHop, PathAttributes};
    use rib::AttributeSet;

    use super::*;

    /// A table of a large exchange takes seconds, and its writer may have to wait for the disk.
    #[test]
    fn a_route_is_as_old_on_a_late_page_as_on_the_first() {
        let (came, epoch) = (Instant::now(), Duration::from_secs(1_800_000_000));
        let path = AsPath::from_sequence(&[Asn(65010)]);
        let attributes = PathAttributes::new(path, NextHop::V4([192, 0, 2, 10].into()));
        let route = WatchedRoute {
            prefix: "203.0.113.0/24".parse().unwrap(),
            generation: None,
            set: AttributeSet::new(Slot(3), attributes),
            accepted: true,
            best: true,
            received: Some(came),
        };
        let places = HashMap::from([(Slot(3), 7)]);
        for secs in [0, 5, 65] {
            let later = Duration::from_secs(secs);
            let entry = entry(&route, &places, Times::at(came + later, epoch + later)).unwrap();
            assert_eq!((entry.originated, entry.peer, entry.path_id), (epoch, 7, 4), "{secs} s");
        }
        let nobody = HashMap::new();
        assert!(entry(&route, &nobody, Times::now()).is_none());
    }
}

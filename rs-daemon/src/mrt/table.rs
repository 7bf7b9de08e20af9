//! A table of what all members send (TABLE_DUMP_V2), page by page, while the shards go on.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use bgp_wire::mrt::{Peer, RibEntry, peer_index_table, rib};
use bytes::BytesMut;
use policy::Slot;
use rib::{Cursor, WatchedRoute};

use super::files::{Kind, Part};
use super::status::since_epoch;
use crate::config::RouteServer;
use crate::runtime::Inner;
use crate::runtime::limits::MONITOR_PAGE;

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
        match self.fill(&mut part, now).await {
            Ok((prefixes, routes, octets)) => {
                let path = part.finish().map_err(failed)?.unwrap_or_default();
                Ok(Written { path, prefixes, routes, octets })
            }
            Err(error) => {
                part.discard();
                Err(error)
            }
        }
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
                let times = (Instant::now(), now);
                for of_prefix in page.routes.chunk_by(|a, b| a.prefix == b.prefix) {
                    routes += self.put(of_prefix, &peers.places, times, &mut sequence, &mut out);
                }
                part.append(&out).map_err(failed)?;
                octets += out.len() as u64;
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
        (now, time): (Instant, Duration),
        sequence: &mut u32,
        out: &mut BytesMut,
    ) -> u64 {
        let entries: Vec<_> = of_prefix
            .iter()
            .filter_map(|route| {
                let source = route.set.source();
                // Who was configured after the list was written is in the next table.
                let peer = *places.get(&source)?;
                let ago = route.received.map_or(Duration::ZERO, |at| now.duration_since(at));
                let originated = time.saturating_sub(ago);
                let path_id = u32::from(source.0) + 1;
                Some(RibEntry { peer, originated, path_id, attributes: route.set.attributes() })
            })
            .collect();
        let (Some(first), false) = (of_prefix.first(), entries.is_empty()) else { return 0 };
        let before = out.len();
        match rib(time, *sequence, &first.prefix, self.add_path, &entries, out) {
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
        let sessions = self.inner.snapshot().await;
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

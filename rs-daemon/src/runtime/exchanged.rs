//! How many routes of each session each other session has.

use super::HandleError;
use super::handle::{Inner, RuntimeHandle};

/// `routes[to][from]` by slots. Rows end where nothing more is to be counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exchanged {
    routes: Vec<Vec<u32>>,
}

impl Exchanged {
    /// How many routes of `from` are in the Adj-RIB-Out of `to`.
    #[must_use]
    pub fn routes(&self, to: u16, from: u16) -> u32 {
        let row = self.routes.get(usize::from(to));
        row.and_then(|row| row.get(usize::from(from))).copied().unwrap_or(0)
    }

    fn add(&mut self, part: &rib::Exchanged) {
        for flow in &part.flows {
            let from = flow.source.index();
            let count = u32::try_from(flow.routes).unwrap_or(u32::MAX);
            for to in flow.peers.iter() {
                if self.routes.len() <= to.index() {
                    self.routes.resize(to.index() + 1, Vec::new());
                }
                let row = &mut self.routes[to.index()];
                if row.len() <= from {
                    row.resize(from + 1, 0);
                }
                row[from] = row[from].saturating_add(count);
            }
        }
    }
}

impl Inner {
    async fn exchanged(&self, route_server: usize) -> Result<Exchanged, HandleError> {
        let mut all = Exchanged::default();
        for shard in 0..self.engine.inboxes.len() {
            let mut cursor = rib::Cursor::START;
            loop {
                let part = self
                    .ask_shard(shard, route_server, move |shard| shard.exchanged(cursor))
                    .await?;
                all.add(&part);
                let Some(next) = part.next else { break };
                cursor = next;
            }
        }
        Ok(all)
    }
}

impl RuntimeHandle {
    /// How many routes of each session of a route server each other one has, counted a part at a
    /// time, so that no shard is held long.
    ///
    /// # Errors
    /// When there is no such route server.
    pub async fn exchanged(&self, route_server: &str) -> Result<Exchanged, HandleError> {
        let servers = self.inner.engine.route_servers.load_full();
        let index = servers.iter().position(|server| &*server.name == route_server);
        let index = index.ok_or_else(|| HandleError::NoRouteServer(route_server.to_owned()))?;
        self.inner.exchanged(index).await
    }
}

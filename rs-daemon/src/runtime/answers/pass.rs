//! Passing over routes: what stands before a page of a list is counted where it is and not made
//! into an answer.

use rib::{RouteFilter, Shard};

use super::{Cursor, HandleError, Inner, MAX_PAGE, RouteQuery, format_cursor, parse_cursor};

/// How far it went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Passed {
    /// Routes passed over.
    pub(crate) routes: usize,
    /// Where to go on; none after the last route.
    pub(crate) next: Option<Cursor>,
}

impl Inner {
    /// Passes over at most `most` routes, and stops before a prefix whose routes would be more than
    /// that: less than the routes of one prefix are left, or of one answer that comes as a whole.
    pub(in crate::runtime) async fn pass(
        &self,
        query: &RouteQuery,
        from: Option<&Cursor>,
        most: usize,
    ) -> Result<Passed, HandleError> {
        let index = self.route_server_of(query)?;
        let filter = self.filter(query, index)?;
        let (mut shard, mut place) = match from {
            None => (0, rib::Cursor::START),
            Some(cursor) => parse_cursor(cursor)?,
        };
        let mut passed = 0;
        // Which shard has the longest match is known when all have answered: nothing to count.
        let whole = filter.prefix.is_some_and(|(_, how)| how == rib::PrefixMatch::Longest);
        while !whole && passed < most && shard < self.engine.inboxes.len() {
            let (filter, room) = (filter.clone(), most - passed);
            let counted = move |shard: &mut Shard| count(shard, &filter, place, room);
            let Some((routes, next)) = self.ask_shard(shard, index, counted).await? else { break };
            passed += routes;
            (shard, place) = next.map_or((shard + 1, rib::Cursor::START), |next| (shard, next));
        }
        let more = shard < self.engine.inboxes.len();
        Ok(Passed { routes: passed, next: more.then(|| format_cursor(shard, place)) })
    }
}

/// How many routes of whole prefixes come next, at most `room` and about [`MAX_PAGE`], and what
/// stands behind them. None: those of the next prefix are more.
fn count(
    shard: &Shard,
    filter: &RouteFilter,
    place: rib::Cursor,
    room: usize,
) -> Option<(usize, Option<rib::Cursor>)> {
    let mut page = shard.routes(filter, place, room.min(MAX_PAGE));
    if page.routes.len() > room {
        let last = page.routes.last()?.prefix;
        let before = page.routes.iter().rev().skip_while(|route| route.prefix == last).count();
        if before == 0 {
            return None;
        }
        page = shard.routes(filter, place, before);
    }
    let routes = page.routes.len();
    (routes <= room).then_some((routes, page.next))
}

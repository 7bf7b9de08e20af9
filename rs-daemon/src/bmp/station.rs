//! The station: knows the sessions and the collectors, and turns what happens into messages.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bgp_wire::bmp::{
    PeerUp, Rib, TerminationReason, initiation, peer_down, peer_up, statistics_report, termination,
};
use bgp_wire::{Asn, Family, Nlri};
use bytes::Bytes;
use rib::{Batch, Change, Generation, Page, Shard, Watch, Watched, WatchedPage};
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;

use super::collector::{Connector, End, Notice, Queue};
use super::dump::{Dump, Step};
use super::messages::Messages;
use super::sessions::{Place, Server, Session, Sessions};
use super::statistics::{Numbers, of_loc_rib};
use super::status::CollectorCounters;
use super::tap::{DumpId, DumpPage, Event};
use crate::config::{Bmp, BmpCollector, BmpView, Config};
use crate::runtime::{Inner, ShardMessage};
use crate::times::{Times, since_epoch};

/// See the module.
pub(super) struct Station {
    inner: Arc<Inner>,
    sys_name: String,
    servers: Vec<Server>,
    sessions: Sessions,
    collectors: BTreeMap<u64, Collector>,
    next_collector: u64,
    /// What the shards of each route server watch.
    watching: Vec<Watch>,
    pub(super) room: Rc<Notify>,
    notices: UnboundedSender<Notice>,
    events: VecDeque<Event>,
    /// Workers that have not yet named the sessions that were up when they were asked.
    unheard: usize,
    /// The number of that question.
    question: u64,
    /// Collectors that are connected and wait for that: a dump names its sessions at the start.
    early: Vec<(u64, Rc<Queue>)>,
}

/// A configured collector.
struct Collector {
    config: BmpCollector,
    wants: Wants,
    counters: Arc<CollectorCounters>,
    task: JoinHandle<()>,
    connections: u64,
    /// Some while connected.
    link: Option<Link>,
}

struct Link {
    queue: Rc<Queue>,
    /// Some until it was told everything.
    dump: Option<Dump>,
}

/// What a collector is told.
#[derive(Debug)]
struct Wants {
    pre: bool,
    post: bool,
    loc: bool,
    out: bool,
    /// By route server.
    servers: Vec<bool>,
    out_members: Option<HashSet<Asn>>,
}

impl Wants {
    fn new(config: &BmpCollector, servers: &[Server]) -> Self {
        let view = |view| config.views.contains(&view);
        let named = |server: &Server| {
            config.route_servers.as_ref().is_none_or(|names| names.contains(&server.name))
        };
        let members = config.adj_rib_out_members.as_ref();
        Self {
            pre: view(BmpView::AdjRibInPre),
            post: view(BmpView::AdjRibInPost),
            loc: view(BmpView::LocRib),
            out: view(BmpView::AdjRibOut),
            servers: servers.iter().map(named).collect(),
            out_members: members.map(|members| members.iter().copied().collect()),
        }
    }

    fn server(&self, index: usize) -> bool {
        self.servers.get(index).copied().unwrap_or(false)
    }

    fn out_of(&self, session: &Session) -> bool {
        self.out && self.out_members.as_ref().is_none_or(|m| m.contains(&session.up.asn))
    }

    fn watch(&self) -> Watch {
        Watch { adj_rib_in: self.pre || self.post, loc_rib: self.loc, adj_rib_out: self.out }
    }
}

impl Station {
    pub(super) fn new(inner: Arc<Inner>, notices: UnboundedSender<Notice>) -> Self {
        let shards = inner.engine.inboxes.len();
        Self {
            inner,
            sys_name: String::new(),
            servers: Vec::new(),
            sessions: Sessions::new(shards),
            collectors: BTreeMap::new(),
            next_collector: 0,
            watching: Vec::new(),
            room: Rc::default(),
            notices,
            events: VecDeque::new(),
            unheard: 0,
            question: 0,
            early: Vec::new(),
        }
    }

    // Configuration.

    /// Puts a configuration in force: collectors that are as they were stay connected.
    pub(super) fn configure(&mut self, config: &Config) {
        let servers = servers_of(config);
        let same_name = self.sys_name == config.bmp.sys_name;
        let kept =
            |collector: &Collector| same_name && config.bmp.collectors.contains(&collector.config);
        let same_servers = self.servers == servers;
        let gone: Vec<u64> = self
            .collectors
            .iter()
            .filter(|(_, collector)| !kept(collector) || !same_servers)
            .map(|(id, _)| *id)
            .collect();
        for id in gone {
            self.remove(id);
        }
        self.servers = servers;
        self.sys_name.clone_from(&config.bmp.sys_name);
        for wanted in &config.bmp.collectors {
            if self.collectors.values().all(|collector| collector.config != *wanted) {
                self.add(wanted.clone());
            }
        }
        self.publish(&config.bmp);
        self.watch();
    }

    fn add(&mut self, config: BmpCollector) {
        let id = self.next_collector;
        self.next_collector += 1;
        let views = config.views.iter().map(|view| name_of(*view)).collect();
        let (name, address) = (Arc::clone(&config.name), config.address.clone());
        let counters = Arc::new(CollectorCounters::new(name, address, views));
        let connector = Connector {
            collector: id,
            config: config.clone(),
            counters: Arc::clone(&counters),
            notices: self.notices.clone(),
            room: Rc::clone(&self.room),
        };
        let wants = Wants::new(&config, &self.servers);
        let task = tokio::task::spawn_local(connector.run());
        let collector = Collector { config, wants, counters, task, connections: 0, link: None };
        self.collectors.insert(id, collector);
    }

    fn remove(&mut self, id: u64) {
        let Some(collector) = self.collectors.remove(&id) else { return };
        tracing::info!(collector = %collector.config.name, "BMP: no longer configured so");
        match &collector.link {
            // The task ends when all is sent.
            Some(link) => say_goodbye(&link.queue, "configuration changed"),
            None => collector.task.abort(),
        }
    }

    /// Shows operators the collectors, in their order.
    fn publish(&self, config: &Bmp) {
        let of = |wanted: &BmpCollector| {
            let found = self.collectors.values().find(|collector| collector.config == *wanted);
            found.map(|collector| Arc::clone(&collector.counters))
        };
        self.inner.bmp_collectors.store(config.collectors.iter().filter_map(of).collect());
    }

    /// Nobody is told of sessions: what is known of them is not kept up.
    pub(super) fn forget_sessions(&mut self) {
        self.sessions = Sessions::new(self.shards());
    }

    /// The end: what is left for collectors, and their tasks.
    pub(super) fn close(mut self) -> Vec<JoinHandle<()>> {
        let collectors = std::mem::take(&mut self.collectors);
        self.watch();
        let mut tasks = Vec::new();
        for collector in collectors.into_values() {
            match &collector.link {
                Some(link) => {
                    say_goodbye(&link.queue, "the daemon stops");
                    tasks.push(collector.task);
                }
                None => collector.task.abort(),
            }
        }
        tasks
    }

    // Connections.

    pub(super) fn on_notice(&mut self, notice: Notice) {
        match notice {
            Notice::Connected { collector, queue } if self.unheard > 0 => {
                self.early.push((collector, queue));
            }
            Notice::Connected { collector, queue } => self.connected(collector, queue),
            Notice::Disconnected { collector } => {
                self.early.retain(|(early, _)| *early != collector);
                if let Some(collector) = self.collectors.get_mut(&collector) {
                    collector.link = None;
                }
                self.watch();
            }
        }
    }

    /// The number of a new question to the workers: answers to those before do not count.
    pub(super) const fn ask(&mut self) -> u64 {
        self.question += 1;
        self.question
    }

    /// So many workers were asked for their sessions.
    pub(super) fn hear_from(&mut self, workers: usize) {
        self.unheard = workers;
    }

    fn heard_all_of_a_worker(&mut self) {
        self.unheard = self.unheard.saturating_sub(1);
        if self.unheard == 0 {
            for (collector, queue) in std::mem::take(&mut self.early) {
                self.connected(collector, queue);
            }
        }
    }

    fn connected(&mut self, id: u64, queue: Rc<Queue>) {
        let shards = self.shards();
        let Some(collector) = self.collectors.get_mut(&id) else {
            // It was removed while the connection came about.
            queue.end(End::WhenSent);
            return;
        };
        collector.connections += 1;
        let dump = DumpId { collector: id, connection: collector.connections };
        let mut messages = Messages::default();
        let description = concat!("rs-daemon ", env!("CARGO_PKG_VERSION"));
        messages.other(|out| initiation(description, &self.sys_name, out));
        for server in self.servers.iter().filter(|server| collector.wants.server(server.index)) {
            if collector.wants.loc {
                say_loc_rib_up(server, &mut messages);
            }
            for session in self.sessions.of(server.index) {
                let (header, up) = session.peer_up();
                messages.other(|out| peer_up(&header, &up, out));
            }
        }
        queue.push(messages.take());
        let steps = steps(&collector.wants, &self.servers, &self.sessions, shards);
        collector.link = Some(Link { queue, dump: Some(Dump::new(dump, steps)) });
        // Changes are watched from before the first page on.
        self.watch();
        self.go_on();
    }

    fn shards(&self) -> usize {
        self.inner.engine.inboxes.len()
    }

    /// Has the shards watch what some connected collector is told, and nothing else.
    fn watch(&mut self) {
        for index in 0..self.inner.engine.route_servers.load().len() {
            let wanted = self
                .collectors
                .values()
                .filter(|collector| collector.link.is_some() && collector.wants.server(index))
                .map(|collector| collector.wants.watch())
                .fold(Watch::default(), |a, b| Watch {
                    adj_rib_in: a.adj_rib_in || b.adj_rib_in,
                    loc_rib: a.loc_rib || b.loc_rib,
                    adj_rib_out: a.adj_rib_out || b.adj_rib_out,
                });
            if self.watching.len() <= index {
                self.watching.resize(index + 1, Watch::default());
            }
            if self.watching[index] != wanted {
                self.watching[index] = wanted;
                self.have_watched(index, wanted);
            }
        }
    }

    fn have_watched(&self, route_server: usize, watch: Watch) {
        for (shard, inbox) in self.inner.engine.inboxes.iter().enumerate() {
            let tap = Arc::clone(&self.inner.engine.bmp);
            let run = Box::new(move |table: &mut Shard| {
                table.watch(watch);
                if watch.adj_rib_out {
                    for (slot, generation) in table.sessions() {
                        tap.push(Event::Taking { route_server, shard, slot, generation });
                    }
                }
            });
            inbox.push(1, ShardMessage::Inspect { route_server, run });
        }
    }

    // What happens.

    /// Takes what is in the tap.
    pub(super) fn take_events(&mut self) {
        let mut events = std::mem::take(&mut self.events);
        if self.inner.engine.bmp.take(&mut events) {
            self.begin_anew();
        }
        for event in events.drain(..) {
            self.on_event(event);
            // At once: what comes behind this may be many times what a collector may leave waiting.
            self.drop_slow();
        }
        self.events = events;
        self.go_on();
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Up(up) => {
                let (place, generation) = ((up.route_server, up.slot), up.generation);
                if self.sessions.add(*up) {
                    self.say_up(place, generation);
                }
            }
            Event::AllUp { question } if question == self.question => self.heard_all_of_a_worker(),
            // Monitoring was off meanwhile, and on again: the later question counts.
            Event::AllUp { .. } => {}
            Event::Down { route_server, slot, generation, reason, at } => {
                if let Some(session) = self.sessions.remove((route_server, slot), generation) {
                    let header = session.header(Rib::AdjRibInPre, since_epoch(at));
                    let mut messages = Messages::default();
                    messages.other(|out| peer_down(&header, &reason, out));
                    self.tell(&messages.take(), |wants| wants.server(route_server));
                }
            }
            Event::Routes { route_server, shard, changes } => {
                self.on_changes(route_server, shard, &changes);
            }
            Event::Batch { route_server, shard, batch } => {
                self.on_batch(route_server, shard, &batch);
            }
            Event::Taking { route_server, shard, slot, generation } => {
                self.sessions.take(shard, (route_server, slot), generation);
            }
            Event::Walked { route_server, shard, slot, generation } => {
                self.on_walked(shard, (route_server, slot), generation);
            }
            Event::Page { dump, page } => self.on_page(dump, page),
        }
    }

    fn say_up(&self, place: Place, generation: Generation) {
        let Some(session) = self.sessions.get(place, generation) else { return };
        let (header, up) = session.peer_up();
        let mut messages = Messages::default();
        messages.other(|out| peer_up(&header, &up, out));
        self.tell(&messages.take(), |wants| wants.server(place.0));
    }

    /// Sends something to every connected collector that wants it.
    fn tell(&self, octets: &Bytes, wants: impl Fn(&Wants) -> bool) {
        for collector in self.collectors.values() {
            if let Some(link) = &collector.link
                && wants(&collector.wants)
            {
                // Who has too much waiting is looked for when the event is through.
                link.queue.push(octets.clone());
            }
        }
    }

    fn on_changes(&mut self, route_server: usize, shard: usize, changes: &[Watched]) {
        let times = Times::now();
        let [mut pre, mut post, mut loc] = [(); 3].map(|()| Messages::default());
        for change in changes {
            match change {
                Watched::In {
                    slot,
                    generation,
                    prefix,
                    set,
                    pre: before,
                    post: after,
                    received,
                } => {
                    let place = (route_server, *slot);
                    let Some(session) = self.sessions.get(place, *generation) else { continue };
                    let time = times.of(*received);
                    for (messages, rib, what) in [
                        (&mut pre, Rib::AdjRibInPre, before),
                        (&mut post, Rib::AdjRibInPost, after),
                    ] {
                        let set = match what {
                            Change::None => continue,
                            Change::Reach => set.as_ref(),
                            Change::Unreach => None,
                        };
                        messages.route(&session.header(rib, time), *prefix, set);
                    }
                }
                Watched::Loc { prefix, set } => {
                    if let Some(server) = self.servers.get(route_server) {
                        loc.route(&server.header(times.of(None)), *prefix, set.as_ref());
                    }
                }
                Watched::EndOfRib { slot, generation, family } => {
                    let place = (route_server, *slot);
                    if self.sessions.end_of_rib(shard, place, *generation, *family)
                        && let Some(session) = self.sessions.in_place(place)
                    {
                        let time = times.of(None);
                        pre.end_of_rib(&session.header(Rib::AdjRibInPre, time), *family);
                        post.end_of_rib(&session.header(Rib::AdjRibInPost, time), *family);
                    }
                }
            }
        }
        self.tell(&pre.take(), |wants| wants.pre && wants.server(route_server));
        self.tell(&post.take(), |wants| wants.post && wants.server(route_server));
        self.tell(&loc.take(), |wants| wants.loc && wants.server(route_server));
    }

    fn on_batch(&self, route_server: usize, shard: usize, batch: &Batch) {
        let time = Times::now().of(batch.received);
        for slot in batch.peers.iter() {
            let Some(session) = self.sessions.meant(shard, (route_server, slot)) else { continue };
            let wanted = |wants: &Wants| wants.server(route_server) && wants.out_of(session);
            if !self.is_wanted(wanted) {
                continue;
            }
            let Some(frame) = batch.frame(&session.up.profile) else { continue };
            let mut messages = Messages::default();
            messages.updates(&session.header(Rib::AdjRibOutPost, time), &frame.octets);
            self.tell(&messages.take(), wanted);
        }
    }

    fn is_wanted(&self, wants: impl Fn(&Wants) -> bool) -> bool {
        self.collectors
            .values()
            .any(|collector| collector.link.is_some() && wants(&collector.wants))
    }

    fn on_walked(&mut self, shard: usize, place: Place, generation: Generation) {
        let families = self.sessions.walked(shard, place, generation);
        let Some(session) = self.sessions.in_place(place).filter(|_| !families.is_empty()) else {
            return;
        };
        let header = session.header(Rib::AdjRibOutPost, Times::now().of(None));
        let mut messages = Messages::default();
        families.iter().for_each(|family| messages.end_of_rib(&header, family));
        self.tell(&messages.take(), |wants| wants.server(place.0) && wants.out_of(session));
    }

    // Dumps.

    /// Asks for pages, and ends what has no more, where there is room.
    pub(super) fn go_on(&mut self) {
        let Self { inner, servers, sessions, collectors, .. } = self;
        for collector in collectors.values_mut() {
            let Some(Link { queue, dump: slot }) = &mut collector.link else { continue };
            let Some(dump) = slot.as_mut().filter(|dump| !dump.is_under_way()) else { continue };
            while queue.has_room() && !dump.is_under_way() {
                match dump.step() {
                    None => break,
                    Some(step @ (Step::Table { .. } | Step::Out { .. })) => dump.ask(inner, step),
                    Some(Step::TableEnd { route_server }) => {
                        let server = servers.get(route_server);
                        queue.push(table_end(server, &sessions.of(route_server), &collector.wants));
                        dump.done();
                    }
                    Some(Step::OutEnd { place, generation }) => {
                        queue.push(out_end(sessions.get(place, generation)));
                        dump.done();
                    }
                }
            }
            if dump.step().is_none() {
                *slot = None;
                collector.counters.synced.store(true, Ordering::Relaxed);
                tracing::info!(collector = %collector.config.name, "BMP: all tables were told");
            }
        }
    }

    fn on_page(&mut self, id: DumpId, page: DumpPage) {
        let Self { servers, sessions, collectors, .. } = self;
        let Some(collector) = collectors.get_mut(&id.collector) else { return };
        let Some(Link { queue, dump: Some(dump) }) = &mut collector.link else { return };
        if dump.id != id {
            return;
        }
        match (dump.step(), page) {
            (Some(Step::Table { route_server, .. }), DumpPage::Table(page)) => {
                if let Some(server) = servers.get(route_server) {
                    queue.push(table_page(server, sessions, &collector.wants, &page));
                }
                dump.arrived(page.next);
            }
            (Some(Step::Out { place, generation, .. }), DumpPage::Out(page)) => {
                queue.push(out_page(sessions.get(place, generation), &page));
                dump.arrived(page.next);
            }
            _ => debug_assert!(false, "a page that was not asked for"),
        }
    }

    // Those who cannot keep up.

    /// Disconnects collectors for which more waits than may.
    fn drop_slow(&mut self) {
        let mut any = false;
        for collector in self.collectors.values_mut() {
            if collector.link.as_ref().is_some_and(|link| link.queue.is_over()) {
                disconnect(
                    collector,
                    |counters| &counters.too_slow,
                    "it takes its octets too slowly",
                );
                any = true;
            }
        }
        if any {
            self.watch();
        }
    }

    /// Changes were lost: who was told a part is told everything.
    fn begin_anew(&mut self) {
        for collector in self.collectors.values_mut().filter(|one| one.link.is_some()) {
            let why = "changes came faster than they could be passed on";
            disconnect(collector, |counters| &counters.lost_changes, why);
        }
        self.watch();
    }

    // Statistics.

    /// Gathers numbers, if anybody is there to be told.
    pub(super) fn gather(&self) -> Option<impl Future<Output = Numbers> + use<>> {
        let connected = self.collectors.values().any(|collector| collector.link.is_some());
        connected.then(|| Numbers::gather(Arc::clone(&self.inner)))
    }

    pub(super) fn tell_numbers(&mut self, numbers: &Numbers) {
        let time = Times::now().of(None);
        for server in &self.servers {
            let mut messages = Messages::default();
            for session in self.sessions.of(server.index) {
                let place = (server.index, session.up.slot);
                let Some(of_session) = numbers.sessions.get(&place) else { continue };
                let header = session.header(Rib::AdjRibInPre, time);
                let statistics = of_session.statistics(session.up.families);
                messages.other(|out| statistics_report(&header, &statistics, out));
            }
            self.tell(&messages.take(), |wants| wants.server(server.index));
            if let Some(routes) = numbers.loc_rib.get(server.index) {
                let statistics = of_loc_rib(*routes);
                messages.other(|out| statistics_report(&server.header(time), &statistics, out));
                self.tell(&messages.take(), |wants| wants.loc && wants.server(server.index));
            }
        }
        self.drop_slow();
    }
}

fn disconnect(
    collector: &mut Collector,
    counter: impl Fn(&CollectorCounters) -> &AtomicU64,
    why: &str,
) {
    let Some(link) = collector.link.take() else { return };
    link.queue.end(End::Now);
    CollectorCounters::count(counter(&collector.counters));
    tracing::warn!(collector = %collector.config.name, "BMP: disconnected, to begin anew: {why}");
}

fn say_goodbye(queue: &Queue, text: &str) {
    let mut messages = Messages::default();
    let reason = TerminationReason::AdministrativelyClosed;
    messages.other(|out| termination(reason, text, out));
    queue.push(messages.take());
    queue.end(End::WhenSent);
}

fn servers_of(config: &Config) -> Vec<Server> {
    let servers = config.route_servers.iter().enumerate();
    servers
        .map(|(index, server)| Server {
            index,
            name: Arc::clone(&server.name),
            asn: server.asn,
            router_id: server.router_id,
        })
        .collect()
}

pub(super) fn name_of(view: BmpView) -> &'static str {
    match view {
        BmpView::AdjRibInPre => "adj-rib-in-pre",
        BmpView::AdjRibInPost => "adj-rib-in-post",
        BmpView::LocRib => "loc-rib",
        BmpView::AdjRibOut => "adj-rib-out",
    }
}

/// RFC 9069 §4.3: the same OPEN for both sides, and the table's name.
fn say_loc_rib_up(server: &Server, messages: &mut Messages) {
    let open = server.open();
    let up = PeerUp {
        local_address: None,
        local_port: 0,
        remote_port: 0,
        sent_open: &open,
        received_open: &open,
        table_name: Some(&server.name),
    };
    messages.other(|out| peer_up(&server.header(Times::now().of(None)), &up, out));
}

/// All that a collector is to be told of the tables.
fn steps(wants: &Wants, servers: &[Server], sessions: &Sessions, shards: usize) -> VecDeque<Step> {
    let mut steps = VecDeque::new();
    for index in servers.iter().map(|server| server.index).filter(|index| wants.server(*index)) {
        if wants.pre || wants.post || wants.loc {
            steps.extend((0..shards).map(|shard| Step::Table { route_server: index, shard }));
            steps.push_back(Step::TableEnd { route_server: index });
        }
        for session in sessions.of(index).into_iter().filter(|one| wants.out_of(one)) {
            let (place, generation) = ((index, session.up.slot), session.up.generation);
            steps.extend((0..shards).map(|shard| Step::Out { place, generation, shard }));
            steps.push_back(Step::OutEnd { place, generation });
        }
    }
    steps
}

fn table_page(server: &Server, sessions: &Sessions, wants: &Wants, page: &WatchedPage) -> Bytes {
    let times = Times::now();
    let mut messages = Messages::default();
    // A view after the other, so that what came together goes together.
    for (wanted, rib) in [(wants.pre, Rib::AdjRibInPre), (wants.post, Rib::AdjRibInPost)] {
        for route in page.routes.iter().filter(|_| wanted) {
            if rib == Rib::AdjRibInPost && !route.accepted {
                continue;
            }
            let place = (server.index, route.set.source());
            let session = route.generation.and_then(|it| sessions.get(place, it));
            if let Some(session) = session {
                let header = session.header(rib, times.of(route.received));
                messages.route(&header, route.prefix, Some(&route.set));
            }
        }
    }
    for route in page.routes.iter().filter(|route| wants.loc && route.best) {
        let header = server.header(times.of(route.received));
        messages.route(&header, route.prefix, Some(&route.set));
    }
    messages.take()
}

/// The ends of all tables of a route server but the Adj-RIB-Outs.
fn table_end(server: Option<&Server>, sessions: &[&Session], wants: &Wants) -> Bytes {
    let time = Times::now().of(None);
    let mut messages = Messages::default();
    for (wanted, rib) in [(wants.pre, Rib::AdjRibInPre), (wants.post, Rib::AdjRibInPost)] {
        for session in sessions.iter().filter(|_| wanted) {
            for family in session.up.families.iter() {
                messages.end_of_rib(&session.header(rib, time), family);
            }
        }
    }
    if let Some(server) = server.filter(|_| wants.loc) {
        for family in Family::ALL {
            messages.end_of_rib(&server.header(time), family);
        }
    }
    messages.take()
}

fn out_page(session: Option<&Session>, page: &Page) -> Bytes {
    let times = Times::now();
    let mut messages = Messages::default();
    for route in session.iter().flat_map(|_| &page.routes) {
        let (Some(session), Some(outgoing)) = (session, &route.outgoing) else { continue };
        let header = session.header(Rib::AdjRibOutPost, times.of(route.received));
        let nlri = Nlri { prefix: route.prefix, path_id: route.path_id.unwrap_or(0) };
        messages.route_as(&header, &session.up.profile, &outgoing.attributes, nlri);
    }
    messages.take()
}

fn out_end(session: Option<&Session>) -> Bytes {
    let mut messages = Messages::default();
    if let Some(session) = session {
        let header = session.header(Rib::AdjRibOutPost, Times::now().of(None));
        session.up.families.iter().for_each(|family| messages.end_of_rib(&header, family));
    }
    messages.take()
}

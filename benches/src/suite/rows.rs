//! The rows of the results page: which load, what it must reach, how long it takes. The most
//! important come first, so that a suite that is stopped has them.

use crate::Options;
use crate::daemon::{PolicyLevel, Which};
use crate::loads::Load;
use crate::report::Summary;

/// What of a daemon's runs is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    Wall,
    Cpu,
    Memory,
    Startup,
    P99,
    Figure(&'static str),
}

impl Measure {
    pub(super) fn of(self, summary: &Summary) -> Option<f64> {
        match self {
            _ if !summary.measured() => None,
            Self::Wall => Some(summary.wall_secs),
            Self::Cpu => Some(summary.cpu_secs),
            Self::Memory => Some(summary.peak_octets / 1e6),
            Self::Startup => Some(summary.startup_secs),
            Self::P99 => summary.p99_millis(),
            Self::Figure(name) => summary.figure(name),
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Wall => "wall, s",
            Self::Cpu => "CPU, s",
            Self::Memory => "peak memory, MB",
            Self::Startup => "start-up, s",
            Self::P99 => "p99 latency, ms",
            Self::Figure(name) => name,
        }
    }
}

/// What a row must reach.
#[derive(Clone, Copy, Debug)]
pub(super) enum Goal {
    /// Ours is at most this part of another's.
    Ratio(Measure, Which, f64),
    AtMost(Measure, f64),
    AtLeast(Measure, f64),
}

impl Goal {
    pub(super) fn measure(self) -> Measure {
        match self {
            Self::Ratio(measure, ..) | Self::AtMost(measure, _) | Self::AtLeast(measure, _) => {
                measure
            }
        }
    }
}

/// One row of the page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// Names its part among the suite's files.
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) load: Load,
    pub(super) daemons: &'static [Which],
    pub(super) members: u32,
    pub(super) prefixes: u32,
    pub(super) first: Option<u32>,
    pub(super) announcers: Option<u32>,
    pub(super) overlap: u32,
    pub(super) policy: PolicyLevel,
    pub(super) rate: u32,
    pub(super) seconds: u32,
    pub(super) hold_time: u16,
    pub(super) goals: &'static [Goal],
    /// Seconds of one run of all its daemons on a two-core machine that does nothing else.
    pub(super) estimate_secs: u32,
    /// Enough to run once: long, or no ratio.
    pub(super) once: bool,
}

use Goal::{AtLeast, AtMost, Ratio};
use Measure::{Cpu, Figure, Memory, P99, Startup, Wall};
use Which::{Bird, Floor, Openbgpd, Us};

const BOTH: &[Which] = &[Us, Bird];
const ALL: &[Which] = &[Us, Bird, Openbgpd];
const OURS: &[Which] = &[Us];
const FULL_TABLE: Measure = Figure("full table after Established, ms");
const END_OF_RIB: Measure = Figure("End-of-RIB after Established, ms");
/// Two: one KEEPALIVE did not come when it was due.
const KEEPALIVE: Measure = Figure("the same in keepalive times");

const ROW: Row = Row {
    id: "",
    name: "",
    load: Load::Announce,
    daemons: BOTH,
    members: 100,
    prefixes: 1000,
    first: None,
    announcers: None,
    overlap: 1,
    policy: PolicyLevel::Rs,
    rate: 200,
    seconds: 10,
    hold_time: 240,
    goals: &[],
    estimate_secs: 60,
    once: false,
};

/// Wall, CPU and memory against BIRD.
macro_rules! against_bird {
    ($wall:expr, $cpu:expr) => {
        &[
            Ratio(Wall, Bird, 1.0 / $wall),
            Ratio(Cpu, Bird, 1.0 / $cpu),
            Ratio(Memory, Bird, 1.0),
            Ratio(Startup, Bird, 1.0),
        ]
    };
}

const ROWS: [Row; 24] = [
    Row {
        id: "announce-100x1000",
        name: "announce, 100 members × 1,000",
        goals: against_bird!(15.0, 25.0),
        estimate_secs: 60,
        ..ROW
    },
    Row {
        id: "announce-1000x50",
        name: "announce, 1,000 × 50",
        daemons: &[Us, Bird, Floor],
        members: 1000,
        prefixes: 50,
        goals: &[
            Ratio(Wall, Bird, 1.0 / 25.0),
            Ratio(Cpu, Bird, 1.0 / 40.0),
            Ratio(Memory, Bird, 1.0),
            Ratio(Startup, Bird, 1.0),
            Ratio(Cpu, Floor, 10.0),
        ],
        estimate_secs: 150,
        ..ROW
    },
    Row {
        id: "announce-500x100",
        name: "announce, 500 × 100",
        members: 500,
        prefixes: 100,
        goals: against_bird!(25.0, 40.0),
        estimate_secs: 110,
        ..ROW
    },
    Row {
        id: "announce-20x50000",
        name: "announce, 20 × 50,000",
        members: 20,
        prefixes: 50_000,
        goals: against_bird!(8.0, 12.0),
        estimate_secs: 110,
        ..ROW
    },
    Row {
        id: "churn-200",
        name: "churn, 200 changes/s, 100 × 200",
        load: Load::Churn,
        prefixes: 200,
        goals: &[Ratio(P99, Bird, 1.0 / 8.0), Ratio(Cpu, Bird, 1.0)],
        estimate_secs: 80,
        ..ROW
    },
    Row {
        id: "late-joiner",
        name: "late joiner, 20,000 routes",
        load: Load::LateJoiner,
        daemons: &[Us, Openbgpd],
        prefixes: 200,
        goals: &[
            AtMost(FULL_TABLE, 50.0),
            AtMost(END_OF_RIB, 50.0),
            Ratio(FULL_TABLE, Openbgpd, 1.0),
            Ratio(END_OF_RIB, Openbgpd, 1.0),
        ],
        estimate_secs: 50,
        ..ROW
    },
    Row {
        id: "flap-50000",
        name: "a member with 50,000 goes, 100 × 100",
        load: Load::Flap,
        prefixes: 100,
        first: Some(50_000),
        goals: &[Ratio(Wall, Bird, 1.0 / 3.0), Ratio(Cpu, Bird, 1.0 / 5.0)],
        estimate_secs: 60,
        ..ROW
    },
    Row {
        id: "restart-500x100",
        name: "restart, 500 × 100",
        load: Load::Restart,
        members: 500,
        prefixes: 100,
        goals: &[Ratio(Wall, Bird, 0.1), Ratio(Cpu, Bird, 0.05)],
        estimate_secs: 100,
        ..ROW
    },
    Row {
        id: "return-500x100",
        name: "members return one by one, 500 × 100",
        load: Load::Return,
        members: 500,
        prefixes: 100,
        estimate_secs: 210,
        once: true,
        ..ROW
    },
    Row {
        id: "reload-500x100",
        name: "changed policy, 500 × 100",
        load: Load::Reload,
        members: 500,
        prefixes: 100,
        goals: &[Ratio(Wall, Bird, 0.1), Ratio(Cpu, Bird, 0.1)],
        estimate_secs: 180,
        ..ROW
    },
    Row {
        id: "churn-2000",
        name: "churn, 2,000 changes/s, 100 × 200",
        load: Load::Churn,
        prefixes: 200,
        rate: 2000,
        goals: &[AtLeast(Figure("changes/s"), 1_990.0), AtMost(P99, 10.0)],
        estimate_secs: 60,
        ..ROW
    },
    Row {
        id: "idle-1000",
        name: "idle, 1,000 sessions, 60 s",
        load: Load::Idle,
        daemons: OURS,
        members: 1000,
        prefixes: 50,
        seconds: 60,
        goals: &[AtMost(Figure("percent of a core"), 0.5)],
        estimate_secs: 75,
        once: true,
        ..ROW
    },
    Row {
        id: "announce-1000x250",
        name: "announce, 1,000 × 250",
        daemons: OURS,
        members: 1000,
        prefixes: 250,
        goals: &[AtMost(Wall, 60.0), AtMost(Memory, 1000.0)],
        estimate_secs: 60,
        once: true,
        ..ROW
    },
    Row {
        id: "sponsors-2x1000000",
        name: "sponsors, 2 × 1,000,000 to 50",
        daemons: OURS,
        members: 52,
        prefixes: 1_000_000,
        announcers: Some(2),
        overlap: 2,
        policy: PolicyLevel::Plain,
        hold_time: 12,
        goals: &[AtMost(Memory, 4000.0), AtMost(KEEPALIVE, 2.0)],
        estimate_secs: 60,
        once: true,
        ..ROW
    },
    Row {
        id: "slow-reader",
        name: "a member never reads, 50 × 20,000",
        load: Load::SlowReader,
        daemons: OURS,
        members: 50,
        prefixes: 20_000,
        policy: PolicyLevel::Plain,
        rate: 100,
        hold_time: 12,
        goals: &[
            AtMost(Figure("wall to that"), 1.5),
            AtMost(Figure("memory above all reading, MB"), 100.0),
            AtMost(Figure("ended after, s"), 40.0),
            AtMost(P99, 10.0),
        ],
        estimate_secs: 60,
        once: true,
        ..ROW
    },
    Row {
        id: "reload-1000x250",
        name: "changed policy, 1,000 × 250",
        load: Load::Reload,
        daemons: OURS,
        members: 1000,
        prefixes: 250,
        goals: &[AtMost(Wall, 10.0)],
        estimate_secs: 80,
        once: true,
        ..ROW
    },
    GROWTH[0],
    GROWTH[1],
    GROWTH[2],
    GROWTH[3],
    GROWTH[4],
    Row {
        id: "announce-100x1000-openbgpd",
        name: "announce, 100 × 1,000, OpenBGPD",
        daemons: &[Openbgpd],
        estimate_secs: 90,
        once: true,
        ..ROW
    },
    Row {
        id: "churn-200-openbgpd",
        name: "churn, 200 changes/s, OpenBGPD",
        load: Load::Churn,
        daemons: &[Openbgpd],
        prefixes: 200,
        estimate_secs: 110,
        once: true,
        ..ROW
    },
    Row {
        id: "announce-100x1000-plain",
        name: "announce, 100 × 1,000, no policy",
        daemons: ALL,
        policy: PolicyLevel::Plain,
        estimate_secs: 100,
        once: true,
        ..ROW
    },
];

/// From 50 to 1,000 members with 50 prefixes each.
const GROWTH: [Row; 5] = [
    Row { id: "growth-50", name: "50 members × 50", members: 50, ..GROWING },
    Row { id: "growth-100", name: "100 members × 50", members: 100, ..GROWING },
    Row { id: "growth-200", name: "200 members × 50", members: 200, ..GROWING },
    Row { id: "growth-500", name: "500 members × 50", members: 500, ..GROWING },
    Row { id: "growth-1000", name: "1,000 members × 50", members: 1000, ..GROWING },
];

const GROWING: Row = Row { daemons: OURS, prefixes: 50, estimate_secs: 12, ..ROW };

/// All rows.
pub(super) fn all() -> &'static [Row] {
    &ROWS
}

impl Row {
    /// Whether it stands in the growth table.
    pub(super) fn is_growth(&self) -> bool {
        self.id.starts_with("growth-")
    }

    /// Runs of each daemon.
    pub(super) fn repeat(&self, options: &Options) -> u32 {
        if self.once { 1 } else { options.repeat }
    }

    /// Seconds that are estimated for all runs.
    pub(super) fn estimate(&self, options: &Options) -> u32 {
        self.estimate_secs * self.repeat(options)
    }

    /// The options of its runs.
    pub(super) fn options(&self, base: &Options) -> Options {
        Options {
            load: self.load,
            daemons: self.daemons.to_vec(),
            members: self.members,
            prefixes: self.prefixes,
            first: self.first,
            announcers: self.announcers,
            overlap: self.overlap,
            policy: self.policy,
            rate: self.rate,
            seconds: self.seconds,
            hold_time: self.hold_time,
            repeat: self.repeat(base),
            per_set: 10,
            ..base.clone()
        }
    }
}

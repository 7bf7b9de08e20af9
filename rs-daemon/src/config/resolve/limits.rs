//! Prefix limits: the default of the kind, what the server says, what the member says.

use std::time::Duration;

use crate::config::{
    Kind, Limit, LimitAction, LimitCount, PrefixLimits,
    file::import_policy::{ImportTable, MaxPrefixes},
    report::Located,
};

/// The defaults of a kind of route server.
pub(super) fn for_kind(kind: Kind) -> PrefixLimits {
    let limits = PrefixLimits {
        v4: Limit::Fixed(170_000),
        v6: Limit::Fixed(12_000),
        total: Limit::Off,
        action: LimitAction::Shutdown,
        count: LimitCount::Received,
        restart_after: Duration::from_secs(30 * 60),
    };
    match kind {
        Kind::Regular | Kind::Transitable => limits,
        Kind::Chaos => {
            PrefixLimits { v4: Limit::Off, v6: Limit::Off, total: Limit::Fixed(2000), ..limits }
        }
    }
}

/// The default of a transit sponsor on a server that has `limits` for others.
pub(super) fn for_sponsors(limits: PrefixLimits) -> PrefixLimits {
    PrefixLimits {
        v4: Limit::Fixed(1_500_000),
        v6: Limit::Fixed(400_000),
        total: Limit::Off,
        ..limits
    }
}

/// `count` and `restart_after`, where they stand beside `max_prefixes`.
pub(super) fn apply_beside(limits: &mut PrefixLimits, table: &ImportTable) {
    set(&mut limits.count, table.count);
    set(&mut limits.restart_after, table.restart_after);
}

/// A value of `max_prefixes` over what held before it.
pub(super) fn apply(limits: &mut PrefixLimits, given: Option<&Located<MaxPrefixes>>) {
    match given.map(|given| &given.value) {
        None => {}
        Some(MaxPrefixes::Off) => {
            *limits = PrefixLimits { v4: Limit::Off, v6: Limit::Off, total: Limit::Off, ..*limits };
        }
        Some(MaxPrefixes::Dynamic) => {
            *limits = PrefixLimits {
                v4: dynamic(limits.v4, limits.total),
                v6: dynamic(limits.v6, limits.total),
                total: Limit::Off,
                action: LimitAction::Shutdown,
                ..*limits
            };
        }
        Some(MaxPrefixes::Table(table)) => {
            set(&mut limits.v4, fixed(table.v4));
            set(&mut limits.v6, fixed(table.v6));
            if table.total.is_some() {
                static_wins(&mut limits.v4);
                static_wins(&mut limits.v6);
            }
            set(&mut limits.total, fixed(table.total));
            set(&mut limits.action, table.action);
            set(&mut limits.count, table.count);
            set(&mut limits.restart_after, table.restart_after);
        }
    }
}

/// What held before it holds until enough is learned.
fn dynamic(before: Limit, total: Limit) -> Limit {
    let until_learned = match (before, total) {
        (Limit::Fixed(most), _) | (Limit::Off, Limit::Fixed(most)) => Some(most),
        (Limit::Dynamic { until_learned }, _) => until_learned,
        (Limit::Off, _) => None,
    };
    Limit::Dynamic { until_learned }
}

/// Of a static limit on both families and a dynamic one on each, the static one wins.
fn static_wins(limit: &mut Limit) {
    if matches!(limit, Limit::Dynamic { .. }) {
        *limit = Limit::Off;
    }
}

/// The greatest number is how none at all is written beside a limit of the other family.
fn fixed(given: Option<Located<u32>>) -> Option<Located<Limit>> {
    let limit = |number| if number == u32::MAX { Limit::Off } else { Limit::Fixed(number) };
    given.map(|given| Located { value: limit(given.value), at: given.at })
}

fn set<T>(target: &mut T, given: Option<Located<T>>) {
    if let Some(given) = given {
        *target = given.value;
    }
}

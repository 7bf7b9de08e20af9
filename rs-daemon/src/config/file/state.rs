//! `[state]` and `[dynamic_limits]`.

use std::{path::PathBuf, time::Duration};

use crate::config::table::config_table;

config_table! {
    /// What the daemon remembers over a restart: what members announced lately
    /// (`max_prefixes = "dynamic"`) and which of them keep routes over our restart (RFC 4724).
    StateTable in "[state]" {
        /// The directory for it; made when there is none. Daemons do not share one.
        directory: PathBuf = "\"/var/lib/rs-daemon\"; beside a control socket that is not the default one",
    }
}

config_table! {
    /// How `max_prefixes = "dynamic"` learns. The limit of a family follows from the most
    /// prefixes that the session announced in the learning period: 100 below 50, 500 below 250,
    /// 1000 below 500, 2000 below 1000, and from there on the next multiple of 1000 above 2 to
    /// 1.2 times that number. It is computed anew each day (UTC).
    DynamicLimitsTable in "[dynamic_limits]" {
        /// How long what was announced counts; whole days.
        period: Duration = "\"60d\"",
        /// A session has been established for this long before its limit follows from what it
        /// announced. Until then the static limit holds that `"dynamic"` stands instead of.
        first: Duration = "\"1d\"",
    }
}

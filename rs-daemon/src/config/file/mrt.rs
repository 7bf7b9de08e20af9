//! `[mrt]`.

use std::path::PathBuf;

use crate::config::{report::Located, table::config_table, value::Interval};

config_table! {
    /// Files in MRT format (RFC 6396, RFC 8050), for archives and research: the tables now and
    /// then, and every UPDATE as it came. A file is written under a name with a dot in front and
    /// renamed when it is complete. A disk that is full or gone costs records, which are counted,
    /// and nothing else.
    MrtTable in "[mrt]" {
        /// Where they go: `RS/rib.YYYYMMDD.HHMMSS.mrt` and `RS/updates.YYYYMMDD.HHMMSS.mrt`,
        /// in UTC. Directories are made as needed; nothing is ever deleted.
        directory: PathBuf = "required",
        /// How often the table of what all members send is written (TABLE_DUMP_V2); `"off"`:
        /// only when `rsctl mrt dump` asks for it.
        tables: Interval = "\"2h\"",
        /// How often the file of UPDATEs and changes of state (BGP4MP_ET) is changed; `"off"`:
        /// there is none.
        updates: Interval = "\"15m\"",
        /// The route servers whose tables and UPDATEs are written.
        route_servers: Vec<Located<String>> = "all",
        /// Whether tables have the path identifiers under which members with ADD-PATH know the
        /// routes (RFC 8050).
        path_identifiers: bool = "false",
    }
}

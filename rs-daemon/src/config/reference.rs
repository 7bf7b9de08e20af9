//! docs/configuration.md, made from the same definitions that the reader is made of.

use std::fmt::Write as _;

use super::{
    file::{self, session::SessionOptions},
    table::{ConfigTable, KeyDoc, REQUIRED, TableDoc},
};

const INTRODUCTION: &str = "\
# Configuration reference

<!-- Generated from the definitions in rs-daemon/src/config/file; RS_BLESS=1 cargo test -p rs-tests
     --test config writes it. -->

One daemon runs any number of route servers over one list of members. The file is TOML;
`rs-daemon --config FILE --check` says everything that is wrong with it, with file, line and column,
and exits 0 or 2. The [example](example.md) runs as it is.

- A member's table inherits what it omits: `[member.import]` from `[route_server.import]`, that from
  the defaults of the server's `kind`. A session takes its keys from `[[member.session]]`, else from
  `[[member]]`, else from `[[route_server]]`.
- Durations are written `\"90s\"`, `\"5m\"`, `\"1h\"`, `\"1h30m\"` or `\"2d\"`.
- Relative paths are relative to the directory of the file they stand in.
- Link-local addresses need a scope: `fe80::1%eth1`, or `interface` in `[exchange]`.
- The order of keys and tables does not matter, but a `[member.…]` or `[route_server.…]` table
  belongs to the `[[member]]` or `[[route_server]]` above it.
";

/// The reference as Markdown.
#[must_use]
pub fn reference() -> String {
    let shared = SessionOptions::keys();
    let mut text = INTRODUCTION.to_owned();
    for table in file::tables() {
        table_section(&mut text, &table, &shared);
    }
    let mut options = SessionOptions::doc();
    options.header = "Keys of a session";
    table_section(&mut text, &options, &[]);
    text
}

fn table_section(text: &mut String, table: &TableDoc, shared: &[KeyDoc]) {
    let title = match table.header.starts_with('[') || !table.header.contains(' ') {
        true => format!("`{}`", table.header),
        false => capitalised(table.header),
    };
    let is_shared = |key: &KeyDoc| shared.iter().any(|shared| shared.name == key.name);
    line(text, format_args!("\n## {title}\n\n{}\n", table.about));
    line(text, format_args!("| key | value | default | meaning |\n|---|---|---|---|"));
    for key in table.keys.iter().filter(|key| !is_shared(key)) {
        let default = match key.default {
            REQUIRED => "**required**".to_owned(),
            default => default.to_owned(),
        };
        let (kind, meaning) = (cell(&key.kind), cell(&key.meaning));
        let default = cell(&default);
        line(text, format_args!("| `{}` | {kind} | {default} | {meaning} |", key.name));
    }
    if table.keys.iter().any(is_shared) {
        line(text, format_args!("\nAnd the [keys of a session](#keys-of-a-session)."));
    }
}

/// Writing to a string cannot fail.
fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    let _ = writeln!(text, "{line}");
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

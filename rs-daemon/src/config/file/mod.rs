//! What the user typed: one file for each table, read with the place of every value.

pub(super) mod bmp;
pub(super) mod communities;
pub(super) mod exchange;
pub(super) mod import_policy;
pub(super) mod irr;
pub(super) mod member;
pub(super) mod mrt;
pub(super) mod route_server;
pub(super) mod rpki;
pub(super) mod session;
pub(super) mod state;

use std::io;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use self::{
    bmp::{BmpCollectorTable, BmpTable},
    communities::CommunitiesTable,
    exchange::{ControlTable, EngineTable, ExchangeTable, HttpTable},
    import_policy::{FamilyNumbers, ImportTable, IrrExtraTable, LimitsTable, PrefixLengthTable},
    irr::IrrTable,
    member::{MemberTable, SessionTable, TcpAoTable},
    mrt::MrtTable,
    route_server::{ExportTable, RouteServerTable},
    rpki::{RpkiCacheTable, RpkiTable},
    state::{DynamicLimitsTable, StateTable},
};
use super::{
    regular,
    report::{At, Located, Reports},
    syntax::{in_double_brackets, without_broken},
    table::{ConfigTable, TableDoc, config_table, read_entries},
};

config_table! {
    /// The top of a file.
    RootTable in "the top of the file" {
        /// More files, merged into this one: globs, relative to this file. Only in the file
        /// that is named on the command line.
        include: Vec<Located<String>> = "[]",
        /// See `[exchange]`.
        exchange: ExchangeTable = "none",
        /// See `[http]`.
        http: HttpTable = "its defaults",
        /// See `[control]`.
        control: ControlTable = "its defaults",
        /// See `[engine]`.
        engine: EngineTable = "its defaults",
        /// See `[state]`.
        state: StateTable = "its defaults",
        /// See `[dynamic_limits]`.
        dynamic_limits: DynamicLimitsTable = "its defaults",
        /// See `[rpki]`.
        rpki: RpkiTable = "none",
        /// See `[irr]`.
        irr: IrrTable = "none",
        /// See `[bmp]`.
        bmp: BmpTable = "none",
        /// See `[mrt]`.
        mrt: MrtTable = "none",
        /// See `[[route_server]]`.
        route_server: Vec<Located<RouteServerTable>> = "none",
        /// See `[[member]]`.
        member: Vec<Located<MemberTable>> = "none",
    }
}

/// The headers in double brackets.
const LISTS: [&str; 5] = [
    RouteServerTable::HEADER,
    MemberTable::HEADER,
    SessionTable::HEADER,
    RpkiCacheTable::HEADER,
    BmpCollectorTable::HEADER,
];

/// All tables, in the order of the reference.
pub(super) fn tables() -> Vec<TableDoc> {
    vec![
        RootTable::doc(),
        ExchangeTable::doc(),
        HttpTable::doc(),
        ControlTable::doc(),
        EngineTable::doc(),
        StateTable::doc(),
        DynamicLimitsTable::doc(),
        RpkiTable::doc(),
        RpkiCacheTable::doc(),
        IrrTable::doc(),
        BmpTable::doc(),
        BmpCollectorTable::doc(),
        MrtTable::doc(),
        RouteServerTable::doc(),
        ImportTable::doc(),
        LimitsTable::doc(),
        PrefixLengthTable::doc(),
        IrrExtraTable::doc(),
        FamilyNumbers::doc(),
        ExportTable::doc(),
        CommunitiesTable::doc(),
        MemberTable::doc(),
        SessionTable::doc(),
        TcpAoTable::doc(),
    ]
}

/// All files, merged.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) exchange: Option<ExchangeTable>,
    pub(super) http: Option<HttpTable>,
    pub(super) control: Option<ControlTable>,
    pub(super) engine: Option<EngineTable>,
    pub(super) state: Option<StateTable>,
    pub(super) dynamic_limits: Option<DynamicLimitsTable>,
    pub(super) rpki: Option<RpkiTable>,
    pub(super) irr: Option<IrrTable>,
    pub(super) bmp: Option<BmpTable>,
    pub(super) mrt: Option<MrtTable>,
    pub(super) route_servers: Vec<RouteServerTable>,
    pub(super) members: Vec<MemberTable>,
}

/// Reads a file and those that it includes. `None`: it cannot be read at all, and nothing more is
/// to be said about it. `read`: what the first one says.
pub(super) fn read_files(
    path: &Path,
    read: impl Fn(&Path) -> io::Result<String>,
    reports: &mut Reports,
) -> Option<Document> {
    let mut document = Document::default();
    let text = match read(path) {
        Ok(text) => text,
        Err(error) => {
            let file = reports.add_source(path.to_owned(), String::new());
            let message = format!("cannot be read: {error}");
            reports.error(At { file, offset: 0 }, message, "name a readable file in UTF-8");
            return None;
        }
    };
    let root = read_text(path.to_owned(), &text, reports);
    let patterns = root.include.as_ref().map_or(&[][..], |include| &include.value);
    let included = included_files(path, patterns, reports);
    document.merge(root, reports);
    for (path, at) in included {
        read_included(&path, at, &mut document, reports);
    }
    Some(document)
}

/// Reads one text as if it were a file that includes nothing.
pub(super) fn read_single(path: PathBuf, text: &str, reports: &mut Reports) -> Document {
    let mut document = Document::default();
    let root = read_text(path, text, reports);
    document.merge(root, reports);
    document
}

fn read_included(path: &Path, at: At, document: &mut Document, reports: &mut Reports) {
    let text = match regular::read(path) {
        Ok(text) => text,
        Err(error) => {
            let message = format!("{} cannot be read: {error}", path.display());
            reports.error(at, message, "every included file has to be readable, in UTF-8");
            return;
        }
    };
    let root = read_text(path.to_owned(), &text, reports);
    if let Some(include) = &root.include {
        let help = "name all files in the `include` of the first file";
        reports.error(include.at, "an included file includes more files", help);
    }
    document.merge(root, reports);
}

fn read_text(path: PathBuf, text: &str, reports: &mut Reports) -> RootTable {
    let (text, single) = in_double_brackets(text, &LISTS);
    let file = reports.add_source(path, text.clone());
    for header in single {
        header.report(file, reports);
    }
    let text = without_broken(&text, file, &LISTS, reports);
    let at = At { file, offset: 0 };
    match DeTable::parse(&text) {
        Ok(table) => read_entries(table.get_ref(), at, reports),
        // Nothing is left that could not be parsed.
        Err(_) => read_entries(&DeTable::new(), at, reports),
    }
}

/// The files that the globs name, each once, in alphabetical order for each glob.
fn included_files(
    main: &Path,
    patterns: &[Located<String>],
    reports: &mut Reports,
) -> Vec<(PathBuf, At)> {
    let directory = main.parent().unwrap_or_else(|| Path::new(""));
    let mut files: Vec<(PathBuf, At)> = Vec::new();
    for pattern in patterns {
        // The directory is a name, not a pattern, whatever characters it has.
        let escaped = glob::Pattern::escape(&directory.to_string_lossy());
        let full = Path::new(&escaped).join(&pattern.value);
        let paths = match glob::glob(&full.to_string_lossy()) {
            Ok(paths) => paths,
            Err(error) => {
                let message = format!("\"{}\" is no pattern: {}", pattern.value, error.msg);
                reports.error(pattern.at, message, "write it like \"members.d/*.toml\"");
                continue;
            }
        };
        let before = files.len();
        for found in paths {
            match found {
                Ok(path) if path == main || files.iter().any(|(other, _)| *other == path) => {}
                Ok(path) => files.push((path, pattern.at)),
                Err(error) => reports.error(pattern.at, error, "make the directory readable"),
            }
        }
        let is_name = !pattern.value.contains(['*', '?', '[']);
        if is_name && files.len() == before && !full.exists() {
            let message = format!("there is no file \"{}\"", pattern.value);
            reports.error(pattern.at, message, "paths are relative to this file's directory");
        }
    }
    files
}

impl Document {
    fn merge(&mut self, root: RootTable, reports: &mut Reports) {
        once(&mut self.exchange, root.exchange, "[exchange]", reports);
        once(&mut self.http, root.http, "[http]", reports);
        once(&mut self.control, root.control, "[control]", reports);
        once(&mut self.engine, root.engine, "[engine]", reports);
        once(&mut self.state, root.state, "[state]", reports);
        once(&mut self.dynamic_limits, root.dynamic_limits, "[dynamic_limits]", reports);
        once(&mut self.rpki, root.rpki, "[rpki]", reports);
        once(&mut self.irr, root.irr, "[irr]", reports);
        once(&mut self.bmp, root.bmp, "[bmp]", reports);
        once(&mut self.mrt, root.mrt, "[mrt]", reports);
        let servers = root.route_server.into_iter().flat_map(|servers| servers.value);
        self.route_servers.extend(servers.map(|server| server.value));
        let members = root.member.into_iter().flat_map(|members| members.value);
        self.members.extend(members.map(|member| member.value));
    }
}

/// Takes over a table that may stand in one file only.
fn once<T: ConfigTable>(
    slot: &mut Option<T>,
    table: Option<Located<T>>,
    header: &str,
    reports: &mut Reports,
) {
    let Some(table) = table else { return };
    if let Some(first) = slot {
        let message = format!("{header} stands in {} already", reports.place(first.at()));
        reports.error(table.at, message, "put all its keys into one file");
    } else {
        *slot = Some(table.value);
    }
}

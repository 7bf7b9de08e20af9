//! Where mistakes are collected: nothing stops at the first one.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
};

use super::ConfigError;

/// A place in one of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct At {
    /// Index of the file, in the order of reading.
    pub(super) file: usize,
    /// Octets from its start.
    pub(super) offset: usize,
}

/// A value and where it was written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Located<T> {
    pub(super) value: T,
    pub(super) at: At,
}

/// A file that was read.
#[derive(Debug)]
struct Source {
    path: PathBuf,
    text: String,
}

#[derive(Debug)]
struct Report {
    at: At,
    message: String,
    help: Option<String>,
}

/// The files read so far and what is wrong with them.
#[derive(Debug, Default)]
pub(super) struct Reports {
    sources: Vec<Source>,
    errors: Vec<Report>,
    warnings: Vec<Report>,
    /// Lines (file, number) that are no TOML: what follows from that is not reported again.
    broken_lines: Vec<(usize, usize)>,
}

impl Reports {
    /// Registers a file; the index goes into [`At`].
    pub(super) fn add_source(&mut self, path: PathBuf, text: String) -> usize {
        self.sources.push(Source { path, text });
        self.sources.len() - 1
    }

    /// The paths of the files, in the order of reading.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        self.sources.iter().map(|source| source.path.clone()).collect()
    }

    /// Relative paths in a file are relative to the directory it lies in.
    pub(super) fn directory(&self, file: usize) -> &Path {
        self.sources
            .get(file)
            .and_then(|source| source.path.parent())
            .unwrap_or_else(|| Path::new(""))
    }

    /// Notes a mistake.
    pub(super) fn error(&mut self, at: At, message: impl Display, help: impl Into<String>) {
        self.errors.push(Report { at, message: message.to_string(), help: some(help.into()) });
    }

    /// Notes a line that is no TOML and is not looked at.
    pub(super) fn broken_line(&mut self, at: At) {
        let (line, _) = self.position(at);
        self.broken_lines.push((at.file, line));
    }

    /// Notes something that is allowed but probably not meant.
    pub(super) fn warning(&mut self, at: At, message: impl Display, help: impl Into<String>) {
        self.warnings.push(Report { at, message: message.to_string(), help: some(help.into()) });
    }

    /// `members.toml:12`, to name one place in a message about another.
    pub(super) fn place(&self, at: At) -> String {
        let path = self.sources.get(at.file).map_or_else(|| Path::new("?"), |source| &source.path);
        let name = path
            .file_name()
            .map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
        format!("{name}:{}", self.position(at).0)
    }

    /// What stands in a file from a place up to another.
    pub(super) fn written(&self, at: At, end: usize) -> &str {
        let text = self.sources.get(at.file).map_or("", |source| source.text.as_str());
        text.get(at.offset..end).unwrap_or_default()
    }

    /// Errors and warnings, each in the order of files and lines.
    pub(super) fn finish(mut self) -> (Vec<ConfigError>, Vec<ConfigError>) {
        let mut errors = std::mem::take(&mut self.errors);
        let mut warnings = std::mem::take(&mut self.warnings);
        errors.sort_by_key(|report| report.at);
        warnings.sort_by_key(|report| report.at);
        let finish = |reports: Vec<Report>| {
            let mut finished: Vec<_> =
                reports.into_iter().map(|report| self.finish_one(report)).collect();
            finished.dedup();
            finished
        };
        (finish(errors), finish(warnings))
    }

    /// Whether a line that could not be read has that word: what seems to be missing may be
    /// there. A file of any index counts for tables, which may stand in each.
    pub(super) fn may_hide(&self, file: Option<usize>, word: &str) -> bool {
        self.broken_lines.iter().any(|(broken, line)| {
            let text = self.sources.get(*broken).map_or("", |source| source.text.as_str());
            file.is_none_or(|file| file == *broken)
                && text.lines().nth(line - 1).is_some_and(|text| text.contains(word))
        })
    }

    fn finish_one(&self, report: Report) -> ConfigError {
        let (line, column) = self.position(report.at);
        let file = self.sources.get(report.at.file).map(|source| source.path.clone());
        let file = file.unwrap_or_default();
        ConfigError { file, line, column, message: report.message, help: report.help }
    }

    /// Line and column, both from 1.
    fn position(&self, at: At) -> (usize, usize) {
        let text = self.sources.get(at.file).map_or("", |source| source.text.as_str());
        let mut end = at.offset.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &text[..end];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

fn some(help: String) -> Option<String> {
    (!help.is_empty()).then_some(help)
}

//! Tables without lines: columns as wide as needed, two spaces between, numbers to the right.
//!
//! Rows can be written out in portions (the first sets the widths, a later one can only widen
//! them), so that a table of a million routes is not kept in memory.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

use super::text::plain;

/// Whether to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// With ANSI sequences.
    Colour,
    /// Bare text.
    Bare,
}

impl Paint {
    pub(super) fn apply(self, style: Style, text: &str) -> String {
        let code = match style {
            Style::Plain => return text.to_owned(),
            Style::Head => "1",
            Style::Good => "32",
            Style::Bad => "31",
            Style::Warn => "33",
            Style::Dim => "2",
        };
        match self {
            Self::Colour => format!("\x1b[{code}m{text}\x1b[0m"),
            Self::Bare => text.to_owned(),
        }
    }
}

/// What a text means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Style {
    #[default]
    Plain,
    Head,
    Good,
    Bad,
    Warn,
    Dim,
}

/// A cell; its text is escaped when it is made.
#[derive(Clone, Debug, Default)]
pub(super) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    pub(super) fn styled(text: impl AsRef<str>, style: Style) -> Self {
        Self { text: plain(text.as_ref()).into_owned(), style }
    }
}

impl<T: ToString> From<T> for Cell {
    fn from(value: T) -> Self {
        Self::styled(value.to_string(), Style::Plain)
    }
}

/// A column's heading and side.
#[derive(Clone, Copy, Debug)]
pub(super) enum Column {
    /// Words.
    Left(&'static str),
    /// Numbers.
    Right(&'static str),
}

impl Column {
    fn heading(self) -> &'static str {
        match self {
            Self::Left(heading) | Self::Right(heading) => heading,
        }
    }
}

/// A table being filled.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<Column>,
    widths: Vec<usize>,
    rows: Vec<Vec<Cell>>,
    headed: bool,
}

impl Table {
    pub(super) fn new(columns: impl Into<Vec<Column>>) -> Self {
        let columns = columns.into();
        let widths = columns.iter().map(|column| column.heading().width()).collect();
        Self { columns, widths, rows: Vec::new(), headed: false }
    }

    pub(super) fn push(&mut self, row: impl Into<Vec<Cell>>) {
        let row = row.into();
        debug_assert_eq!(row.len(), self.columns.len(), "a cell for each column");
        for (width, cell) in self.widths.iter_mut().zip(&row) {
            *width = (*width).max(cell.text.width());
        }
        self.rows.push(row);
    }

    pub(super) fn pending(&self) -> usize {
        self.rows.len()
    }

    /// Writes the rows so far, the heading before the first.
    pub(super) fn write(&mut self, paint: Paint, out: &mut dyn Write) -> io::Result<()> {
        if !self.headed {
            self.headed = true;
            let heading: Vec<_> = self
                .columns
                .iter()
                .map(|column| Cell::styled(column.heading(), Style::Head))
                .collect();
            self.line(&heading, paint, out)?;
        }
        for row in std::mem::take(&mut self.rows) {
            self.line(&row, paint, out)?;
        }
        Ok(())
    }

    fn line(&self, row: &[Cell], paint: Paint, out: &mut dyn Write) -> io::Result<()> {
        let last = row.iter().rposition(|cell| !cell.text.is_empty()).map_or(0, |last| last + 1);
        for (index, cell) in row.iter().take(last).enumerate() {
            let gap = " ".repeat(self.widths[index].saturating_sub(cell.text.width()));
            let text = paint.apply(cell.style, &cell.text);
            match self.columns[index] {
                Column::Right(_) => write!(out, "{gap}{text}")?,
                Column::Left(_) if index + 1 == last => write!(out, "{text}")?,
                Column::Left(_) => write!(out, "{text}{gap}")?,
            }
            if index + 1 < last {
                write!(out, "  ")?;
            }
        }
        writeln!(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_do_not_trail() {
        let mut table = Table::new([Column::Left("NAME"), Column::Right("N"), Column::Left("END")]);
        table.push([Cell::from("Zoë"), Cell::from(5), Cell::from("")]);
        table.push([Cell::from("x"), Cell::from(1234), Cell::from("é")]);
        let mut out = Vec::new();
        table.write(Paint::Bare, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "NAME     N  END\nZoë      5\nx     1234  é\n");
    }

    #[test]
    fn colour_does_not_count_as_width() {
        let mut table = Table::new([Column::Left("S"), Column::Left("T")]);
        table.push([Cell::styled("up", Style::Good), Cell::from("1")]);
        let mut out = Vec::new();
        table.write(Paint::Colour, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("\x1b[32mup\x1b[0m  1\n"), "{text:?}");
    }
}

//! Tables without lines: columns as wide as needed, two spaces between, numbers to the right.
//!
//! Rows can be written out in portions (the first sets the widths, a later one can only widen
//! them), so that a table of a million routes is not kept in memory.
//!
//! On a terminal that is too narrow, names are cut and then the columns that can be spared left
//! out, which is said; what goes into a pipe is always whole.

use std::borrow::Cow;
use std::io::{self, Write};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

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

    /// What it keeps where it may be cut.
    fn least(self) -> usize {
        match self.heading() {
            "ADDRESS" | "NEXT HOP" => CUT_ADDRESS_TO,
            _ => CUT_TO,
        }
    }
}

/// A table being filled.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<Column>,
    widths: Vec<usize>,
    rows: Vec<Vec<Cell>>,
    /// Which columns the heading has, once it is written.
    headed: Option<Vec<bool>>,
    /// Columns of the terminal.
    room: Option<usize>,
    /// Headings of columns that may be cut, first those that are missed least.
    cut: &'static [&'static str],
    /// Headings of columns that can be left out, first those that are missed least.
    spare: &'static [&'static str],
}

/// A column that may be cut keeps this much.
const CUT_TO: usize = 8;
/// Addresses say nothing when they are cut like names: an IPv4 address stays whole.
const CUT_ADDRESS_TO: usize = 15;
/// Words at the end of a line may be of any length; so many are made room for.
const OPEN_TO: usize = 24;
/// Between columns.
const GAP: usize = 2;

impl Table {
    pub(super) fn new(columns: impl Into<Vec<Column>>) -> Self {
        let columns = columns.into();
        let widths = columns.iter().map(|column| column.heading().width()).collect();
        Self { columns, widths, rows: Vec::new(), headed: None, room: None, cut: &[], spare: &[] }
    }

    /// What to do where the terminal has fewer columns than the table needs: cut these, then leave
    /// these out.
    pub(super) fn fit(
        mut self,
        room: Option<usize>,
        cut: &'static [&'static str],
        spare: &'static [&'static str],
    ) -> Self {
        (self.room, self.cut, self.spare) = (room, cut, spare);
        self
    }

    /// The headings that are left out.
    fn left_out(&self) -> Vec<&'static str> {
        let plan = self.plan();
        let shown = self.columns.iter().zip(plan);
        let mut left_out: Vec<_> = shown
            .filter(|(_, width)| width.is_none())
            .map(|(column, _)| column.heading())
            .collect();
        left_out.sort_by_key(|heading| self.spare.iter().position(|spare| spare == heading));
        left_out.dedup();
        left_out
    }

    /// How wide each column is drawn; `None`: not at all.
    fn plan(&self) -> Vec<Option<usize>> {
        let mut plan: Vec<_> = self.widths.iter().copied().map(Some).collect();
        if let Some(shown) = &self.headed {
            for (width, _) in plan.iter_mut().zip(shown).filter(|(_, shown)| !**shown) {
                *width = None;
            }
        }
        let Some(room) = self.room else { return plan };
        let open = match self.columns.last() {
            Some(Column::Left(heading)) if !self.cut.contains(heading) => plan.pop().flatten(),
            _ => None,
        };
        let room = room.saturating_sub(open.map_or(0, |width| GAP + width.min(OPEN_TO)));
        let total = |plan: &[Option<usize>]| {
            plan.iter().flatten().map(|width| width + GAP).sum::<usize>().saturating_sub(GAP)
        };
        let count = plan.len();
        let cut: Vec<_> = self
            .cut
            .iter()
            .flat_map(|heading| {
                (0..count).filter(move |index| self.columns[*index].heading() == *heading)
            })
            .collect();
        if total(&plan) > room {
            for &index in &cut {
                let least = self.columns[index].least();
                plan[index] = plan[index].map(|width| width.min(least));
            }
        }
        for spare in self.spare {
            // Rows that come later stay below the heading that is written.
            if self.headed.is_some() || total(&plan) <= room {
                break;
            }
            for (column, width) in self.columns.iter().zip(&mut plan) {
                if column.heading() == *spare {
                    *width = None;
                }
            }
        }
        // What is cut first gets what is left last.
        for index in cut.into_iter().rev() {
            let left = room.saturating_sub(total(&plan));
            plan[index] = plan[index].map(|width| self.widths[index].min(width + left));
        }
        if open.is_some() {
            plan.push(open);
        }
        plan
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
        let plan = self.plan();
        if self.headed.is_none() {
            self.headed = Some(plan.iter().map(Option::is_some).collect());
            let heading: Vec<_> = self
                .columns
                .iter()
                .map(|column| Cell::styled(column.heading(), Style::Head))
                .collect();
            self.line(&heading, &plan, paint, out)?;
        }
        for row in std::mem::take(&mut self.rows) {
            self.line(&row, &plan, paint, out)?;
        }
        Ok(())
    }

    /// Writes a table that ends here, and what a narrow terminal cost.
    pub(super) fn finish(mut self, paint: Paint, out: &mut dyn Write) -> io::Result<()> {
        self.write(paint, out)?;
        match self.narrow() {
            narrow if narrow.is_empty() => Ok(()),
            narrow => writeln!(out, "{}", paint.apply(Style::Dim, &narrow)),
        }
    }

    /// What a narrow terminal cost, in words; nothing where there was room for everything.
    fn narrow(&self) -> String {
        match self.left_out() {
            left_out if left_out.is_empty() => String::new(),
            left_out => format!("no room for {}", left_out.join(", ")),
        }
    }

    /// The same behind the totals of a table.
    pub(super) fn after(&self) -> String {
        match self.narrow() {
            narrow if narrow.is_empty() => narrow,
            narrow => format!("; {narrow}"),
        }
    }

    fn line(
        &self,
        row: &[Cell],
        plan: &[Option<usize>],
        paint: Paint,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let shown = row.iter().zip(plan).zip(&self.columns);
        let mut cells: Vec<_> =
            shown.filter_map(|((cell, width), column)| Some((cell, (*width)?, column))).collect();
        while cells.pop_if(|(cell, ..)| cell.text.is_empty()).is_some() {}
        let count = cells.len();
        for (index, (cell, width, column)) in cells.into_iter().enumerate() {
            let open = index + 1 == count && !self.cut.contains(&column.heading());
            let text = if open { cell.text.as_str().into() } else { cut(&cell.text, width) };
            let gap = " ".repeat(width.saturating_sub(text.width()));
            let text = paint.apply(cell.style, &text);
            match column {
                Column::Right(_) => write!(out, "{gap}{text}")?,
                Column::Left(_) if index + 1 == count => write!(out, "{text}")?,
                Column::Left(_) => write!(out, "{text}{gap}")?,
            }
            if index + 1 < count {
                write!(out, "{:GAP$}", "")?;
            }
        }
        writeln!(out)
    }
}

/// At most `width` columns of `text`; an ellipsis stands for the rest.
pub(super) fn cut(text: &str, width: usize) -> Cow<'_, str> {
    if text.width() <= width {
        return Cow::Borrowed(text);
    }
    let mut kept = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > width {
            break;
        }
        kept.push(c);
    }
    kept.push('…');
    Cow::Owned(kept)
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

    #[test]
    fn a_narrow_terminal_gets_what_fits() {
        let written = |room| {
            let columns = [
                Column::Left("NAME"),
                Column::Left("STATE"),
                Column::Right("IN"),
                Column::Right("LIMIT"),
                Column::Right("OUT"),
                Column::Right("LIMIT"),
            ];
            let mut table = Table::new(columns).fit(room, &["NAME"], &["LIMIT", "OUT"]);
            table.push([
                Cell::from("Alice Networks Ltd"),
                Cell::from("established"),
                Cell::from(5),
                Cell::from(170_000),
                Cell::from(7),
                Cell::from(12_000),
            ]);
            let left_out = table.left_out();
            let mut out = Vec::new();
            table.write(Paint::Bare, &mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            let longest = text.lines().map(UnicodeWidthStr::width).max();
            assert!(longest <= room.or(longest), "{room:?}\n{text}");
            (text.lines().nth(1).unwrap().to_owned(), left_out)
        };
        let whole = "Alice Networks Ltd  established   5  170000    7  12000";
        assert_eq!(written(None), (whole.to_owned(), vec![]));
        assert_eq!(written(Some(whole.len())), (whole.to_owned(), vec![]));
        let (line, left_out) = written(Some(50));
        assert_eq!(line, "Alice Networ…  established   5  170000    7  12000");
        assert!(left_out.is_empty());
        let (line, left_out) = written(Some(40));
        assert_eq!(line, "Alice Networks Ltd  established   5    7");
        assert_eq!(left_out, ["LIMIT"]);
        assert_eq!(
            written(Some(26)),
            ("Alice Ne…  established   5".to_owned(), vec!["LIMIT", "OUT"])
        );
    }

    #[test]
    fn rows_that_come_later_stay_below_the_heading() {
        let columns = [Column::Left("ADDRESS"), Column::Left("NEXT HOP"), Column::Left("PATH")];
        let mut table = Table::new(columns).fit(Some(40), &["NEXT HOP"], &["ADDRESS"]);
        let mut out = Vec::new();
        table.push(["192.0.2.1", "192.0.2.1", "1"].map(Cell::from));
        table.write(Paint::Bare, &mut out).unwrap();
        table.push(["2001:db8:1::6:5010:1", "2001:db8:1::6:5010:1", "2"].map(Cell::from));
        table.finish(Paint::Bare, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let columns: Vec<_> = text.lines().map(|line| line.split_whitespace().count()).collect();
        assert_eq!(columns, [4, 3, 3], "{text}");
        assert!(!text.contains("no room"), "{text}");
    }

    #[test]
    fn words_at_the_end_are_never_cut() {
        let columns = [Column::Left("NEXT HOP"), Column::Right("MED"), Column::Left("PATH")];
        let mut table = Table::new(columns).fit(Some(22), &["NEXT HOP"], &["MED"]);
        table.push([
            Cell::from("2001:db8:0:1::1 fe80::1"),
            Cell::from(1),
            Cell::from("1 2 3 4 5 6 7 8"),
        ]);
        let mut out = Vec::new();
        table.write(Paint::Bare, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().nth(1), Some("2001:db8:0:1::…  1 2 3 4 5 6 7 8"));
        assert_eq!(table.narrow(), "no room for MED");
    }
}

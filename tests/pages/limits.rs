//! The limits in SECURITY.md, held against the constants they come from.

use std::fs;

use rs_tests::support::book;

/// A constant as the program has it.
#[derive(Debug, PartialEq, Eq)]
enum Value {
    Number(u64),
    Millis(u64),
}

impl Value {
    /// `64 << 20`, `16 * 1024`, `2_000_000`, `Duration::from_secs(10)`.
    fn parse(text: &str) -> Option<Self> {
        for (unit, millis) in [("from_secs", 1000), ("from_millis", 1)] {
            let inner = text.strip_prefix("Duration::").and_then(|text| text.strip_prefix(unit));
            if let Some(inner) = inner.and_then(|text| text.strip_prefix('(')?.strip_suffix(')')) {
                return Some(Self::Millis(number(inner)? * millis));
            }
        }
        if let Some((left, right)) = text.split_once("<<") {
            return Some(Self::Number(number(left)? << number(right)?));
        }
        let mut product = 1;
        for factor in text.split('*') {
            product *= number(factor)?;
        }
        Some(Self::Number(product))
    }

    /// As the table writes it: `4 MiB`, `131,072`, `10 s`.
    fn shown(&self) -> String {
        match self {
            Self::Millis(millis) => format!("{} s", millis / 1000),
            Self::Number(number) if number.is_multiple_of(1 << 30) => {
                format!("{} GiB", number >> 30)
            }
            Self::Number(number) if number.is_multiple_of(1 << 20) => {
                format!("{} MiB", number >> 20)
            }
            Self::Number(number) => {
                let digits = number.to_string();
                let mut shown = String::new();
                for (at, digit) in digits.chars().enumerate() {
                    if at > 0 && (digits.len() - at).is_multiple_of(3) {
                        shown.push(',');
                    }
                    shown.push(digit);
                }
                shown
            }
        }
    }
}

fn number(text: &str) -> Option<u64> {
    text.trim().replace('_', "").parse().ok()
}

/// The value of `const NAME: T = value;`, or of a field's default, `name: value,`.
fn value_of(source: &str, name: &str) -> Option<Value> {
    let constant = source.split_once(&format!("const {name}:"));
    let text = match constant {
        Some((_, rest)) => rest.split_once('=')?.1.split_once(';')?.0,
        None => {
            let field = format!("{name}: ");
            let lines = source.lines().map(str::trim);
            let mut values = lines.filter_map(|line| line.strip_prefix(&field)?.strip_suffix(','));
            values.find(|value| value.starts_with("Duration::"))?
        }
    };
    Value::parse(text.trim())
}

struct Row {
    limit: String,
    constant: String,
    file: String,
}

fn rows() -> Vec<Row> {
    let page = fs::read_to_string(book::repository().join("SECURITY.md")).expect("SECURITY.md");
    let lines = page.lines().filter(|line| line.starts_with("| ") && line.contains("]("));
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [_, limit, _, constant] = cells[..] else { panic!("four cells: {line}") };
        let name = constant.split('`').nth(1).expect("a name");
        let file = constant.split_once("](").and_then(|(_, rest)| rest.strip_suffix(')'));
        Row {
            limit: limit.trim_start_matches("one in ").to_owned(),
            constant: name.to_owned(),
            file: file.expect("a file").to_owned(),
        }
    };
    lines.map(row).collect()
}

#[test]
fn the_limits_of_the_security_page_are_the_programs() {
    let rows = rows();
    assert!(rows.len() > 40, "{} rows are found", rows.len());
    let mut wrong = Vec::new();
    for Row { limit, constant, file } in rows {
        let source = fs::read_to_string(book::repository().join(&file)).expect("a file");
        match value_of(&source, &constant) {
            None => wrong.push(format!("{constant} is not in {file}")),
            Some(value) => {
                let shown = value.shown();
                if limit != shown && limit.strip_suffix(" octets") != Some(shown.as_str()) {
                    wrong.push(format!("{constant}: SECURITY.md says {limit}, {file} {shown}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What has a rule for "when full" is a limit that the page names.
#[test]
fn every_limit_with_a_rule_is_on_the_security_page() {
    let file = "rs-daemon/src/runtime/limits.rs";
    let source = fs::read_to_string(book::repository().join(file)).expect("a file");
    let known: Vec<String> = rows().into_iter().map(|row| row.constant).collect();
    let mut missing = Vec::new();
    let mut comment = String::new();
    for line in source.lines() {
        if let Some(text) = line.strip_prefix("///") {
            comment += text;
        } else if let Some(rest) = line.strip_prefix("pub(crate) const ") {
            let name = rest.split(':').next().unwrap_or_default();
            if comment.contains("*When") && !known.iter().any(|one| one == name) {
                missing.push(name.to_owned());
            }
            comment.clear();
        } else {
            comment.clear();
        }
    }
    assert!(missing.is_empty(), "not in SECURITY.md: {missing:?}");
}

#[test]
fn constants_are_read_as_they_are_written() {
    for (text, shown) in [
        ("4 << 20", "4 MiB"),
        ("131_072", "131,072"),
        ("16 * 1024", "16,384"),
        ("Duration::from_secs(10)", "10 s"),
        ("2", "2"),
    ] {
        assert_eq!(Value::parse(text).map(|value| value.shown()).as_deref(), Some(shown));
    }
}

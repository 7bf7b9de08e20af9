//! The policy as a document for members.

use std::fmt::Write;

use crate::describe::{CheckSetting, CommunityDescription, ListDescription, PolicyDescription};

impl PolicyDescription {
    /// The policy as Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut page = Page(String::new());
        page.line(&format!("# Policy of {}", escaped(&self.route_server)));
        page.line(&format!("A {} route server, AS{}.", self.kind.name(), self.asn));
        page.heading("What is checked on your routes");
        page.line("In this order; the first check that fails gives the reason.");
        page.checks(&self.checks);
        if !self.sponsors.is_empty() {
            page.line("For transit sponsors otherwise:");
            page.checks(&self.sponsors);
        }
        for exception in &self.exceptions {
            let name = escaped(&exception.name);
            page.line(&format!("For AS{} ({name}) otherwise:", exception.asn));
            page.checks(&exception.checks);
        }
        if !self.limits.is_empty() {
            page.heading("Limits");
            page.table(
                ["limit", "value"],
                self.limits.iter().map(|(name, value)| [escaped(name), escaped(value)]),
            );
        }
        page.heading("How a route is chosen for you");
        page.numbered(&self.selection);
        page.heading("What leaves the route server");
        page.bullets(&self.export);
        page.communities("Communities you can set", &self.actions);
        page.communities("Communities you may see", &self.tags);
        page.heading("Why a route is refused");
        page.table(
            ["code", "Euro-IX", "reason"],
            self.reject_codes.iter().map(|code| {
                let euro_ix = code.euro_ix.map_or_else(|| "-".to_owned(), |code| code.to_string());
                [code.code.to_string(), euro_ix, escaped(&code.meaning)]
            }),
        );
        for list in &self.lists {
            page.list(list);
        }
        page.0
    }
}

struct Page(String);

impl Page {
    fn line(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push_str("\n\n");
    }

    fn heading(&mut self, text: &str) {
        self.line(&format!("## {text}"));
    }

    fn table<const N: usize>(
        &mut self,
        head: [&str; N],
        rows: impl IntoIterator<Item = [String; N]>,
    ) {
        self.row(&head.map(str::to_owned));
        self.row(&head.map(|_| "---".to_owned()));
        for row in rows {
            self.row(&row);
        }
        self.0.push('\n');
    }

    fn row(&mut self, cells: &[String]) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "| {} |", cells.join(" | "));
    }

    fn numbered(&mut self, items: &[String]) {
        for (index, item) in items.iter().enumerate() {
            let _ = writeln!(self.0, "{}. {item}", index + 1);
        }
        self.0.push('\n');
    }

    fn bullets(&mut self, items: &[String]) {
        for item in items {
            let _ = writeln!(self.0, "- {item}");
        }
        self.0.push('\n');
    }

    fn checks(&mut self, checks: &[CheckSetting]) {
        self.table(
            ["#", "check", "setting"],
            checks.iter().map(|check| {
                [check.check.row.to_string(), check.check.name.to_owned(), escaped(&check.setting)]
            }),
        );
    }

    fn communities(&mut self, heading: &str, communities: &[CommunityDescription]) {
        if communities.is_empty() {
            return;
        }
        self.heading(heading);
        self.table(
            ["community", "meaning"],
            communities.iter().map(|described| {
                let codes: Vec<String> =
                    described.communities.iter().map(|text| format!("`{text}`")).collect();
                [codes.join(" "), described.meaning.to_owned()]
            }),
        );
    }

    fn list(&mut self, list: &ListDescription) {
        let version = list.version.map_or_else(String::new, |version| format!(" ({version})"));
        self.heading(&format!("List: {}{version}", list.name));
        for (entry, source) in &list.entries {
            let dash = if source.is_empty() { "" } else { " - " };
            let _ = writeln!(self.0, "- {}{dash}{}", escaped(entry), escaped(source));
        }
        self.0.push('\n');
    }
}

/// Names come from a configuration; what has a meaning in a table or a paragraph loses it.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\r' => safe.push(' '),
            '|' | '`' | '*' | '_' | '<' | '[' | '\\' => {
                safe.push('\\');
                safe.push(character);
            }
            _ => safe.push(character),
        }
    }
    safe
}

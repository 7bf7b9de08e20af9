//! The book without running it: chapters, links, blocks, configurations, and what is made from the
//! program's own definitions. `RS_BLESS=1` writes the latter anew.

#![expect(clippy::expect_used, reason = "a test may panic")]

mod generated;
mod limits;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use policy::RejectReason;
use rs_daemon::config;
use rs_tests::support::book::{self, Chapter, LEFT_OUT};

/// Pages that a program writes whole; what they show is not ours to mark.
const WRITTEN_BY_PROGRAMS: [&str; 1] = ["performance.md"];

/// The only blocks that nobody runs, by chapter and first command.
const LEFT_OUT_BLOCKS: [(&str, &str); 5] = [
    ("packages.md", "$ cargo install --locked cargo-deb"),
    ("first-hour.md", "$ apt install bird2 iproute2 curl"),
    ("operations.md", "$ systemctl enable --now rs-daemon"),
    ("operations.md", "$ rsctl shutdown --graceful"),
    ("introduction.md", "$ mdbook serve"),
];

/// Languages of blocks that are files: they need `file=`.
const FILES: [&str; 6] = ["sh", "rpsl", "bird", "json", "yaml", "diff"];

#[test]
fn the_summary_names_every_page() {
    let named: BTreeSet<PathBuf> =
        book::chapters().iter().map(|chapter| book::docs().join(&chapter.name)).collect();
    let mut there = BTreeSet::new();
    pages(&book::docs(), &mut there);
    there.remove(&book::docs().join("SUMMARY.md"));
    assert_eq!(named, there, "docs/SUMMARY.md and the files of docs/");
}

fn pages(directory: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(directory).expect("docs/") {
        let path = entry.expect("an entry").path();
        match path.extension() {
            _ if path.is_dir() => pages(&path, found),
            Some(extension) if extension == "md" => {
                found.insert(path);
            }
            _ => {}
        }
    }
}

#[test]
fn every_link_leads_somewhere() {
    let chapters: BTreeMap<String, Chapter> =
        book::chapters().into_iter().map(|chapter| (chapter.name.clone(), chapter)).collect();
    let mut dead = Vec::new();
    for chapter in chapters.values() {
        for (shown, target) in book::links(&chapter.prose()) {
            if target.starts_with("http") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let name = beside(&chapter.name, file);
            let leads = match chapters.get(&name) {
                Some(found) => anchor.is_empty() || found.anchors().iter().any(|a| a == anchor),
                // A picture.
                None => !name.ends_with(".md") && book::docs().join(&name).is_file(),
            };
            if !leads {
                dead.push(format!("docs/{}: [{shown}]({target})", chapter.name));
            }
        }
    }
    assert!(dead.is_empty(), "links that lead nowhere:\n{}", dead.join("\n"));
}

#[test]
fn the_pages_beside_the_book_link_to_files() {
    for page in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"] {
        let chapter = book::chapter(&format!("../{page}"));
        for (shown, target) in book::links(&chapter.prose()) {
            let file = target.split('#').next().unwrap_or_default();
            let there = target.starts_with("http") || book::repository().join(file).exists();
            assert!(there, "{page}: [{shown}]({target})");
        }
    }
}

/// Nobody builds a container in the tests: what its file names has to be there.
#[test]
fn the_container_file_names_what_there_is() {
    let root = book::docs().join("..");
    let read = |path: &str| fs::read_to_string(root.join(path)).expect("a file");
    let file = read("contrib/container/Containerfile");
    let toolchain = read("rust-toolchain.toml");
    let channel =
        toolchain.lines().find_map(|line| line.strip_prefix("channel = \"")).expect("one");
    let release = channel.trim_end_matches('"').rsplit_once('.').expect("1.2.3").0;
    assert!(file.contains(&format!("FROM rust:{release}-")), "rust-toolchain.toml says {release}");
    let copied = file.lines().filter_map(|line| line.strip_prefix("COPY "));
    let ours: Vec<_> = copied.filter(|words| !words.starts_with("--from=")).collect();
    assert!(!ours.is_empty());
    for words in ours {
        let mut words: Vec<_> = words.split_whitespace().collect();
        words.pop();
        words.iter().for_each(|name| assert!(root.join(name).exists(), "COPY {name}"));
    }
    for left_out in ["/target", "/.git"] {
        assert!(read(".dockerignore").lines().any(|line| line == left_out), "{left_out}");
    }
}

/// A page as another one names it.
fn beside(page: &str, link: &str) -> String {
    if link.is_empty() {
        return page.to_owned();
    }
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[test]
fn every_block_is_run_or_says_that_it_is_not() {
    let mut left_out = BTreeSet::new();
    for chapter in book::chapters() {
        if WRITTEN_BY_PROGRAMS.contains(&chapter.name.as_str()) {
            continue;
        }
        for block in chapter.blocks() {
            let place = format!("docs/{}:{}", chapter.name, block.line);
            if block.is_left_out() {
                let first = block.lines.get(1).cloned().unwrap_or_default();
                left_out.insert((chapter.name.clone(), first));
                continue;
            }
            if let Some(file) = block.value("file") {
                let named = block.before.contains(&format!("`{file}`"));
                assert!(
                    named || block.language == "diff",
                    "{place}: nobody says that it is {file}"
                );
                continue;
            }
            match block.language.as_str() {
                "console" => assert!(!book::steps(&block).is_empty(), "{place}: no command"),
                "toml" => {}
                // A picture, or an answer to nothing that could be asked.
                "text" => assert!(!block.text().contains("$ "), "{place}: a command as `text`"),
                language if FILES.contains(&language) => panic!("{place}: which file?"),
                language => panic!("{place}: nobody runs {language:?}"),
            }
        }
    }
    let known: BTreeSet<(String, String)> =
        LEFT_OUT_BLOCKS.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    assert_eq!(left_out, known, "blocks that begin with {LEFT_OUT:?}");
}

#[test]
fn every_configuration_loads() {
    let mut count = 0;
    for chapter in book::chapters().into_iter().chain([book::chapter("../README.md")]) {
        for block in chapter.blocks().iter().filter(|block| block.language == "toml") {
            count += 1;
            let text = completed(&block.text());
            if let Err(errors) = config::parse(Path::new("/nowhere/rs.toml"), &text) {
                let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
                panic!("docs/{}:{}\n{}\n{text}", chapter.name, block.line, errors.join("\n"));
            }
        }
    }
    assert!(count >= 9, "{count} configurations");
}

const EXCHANGE: &str = "[exchange]\nname = \"Book IX\"\nasn = 64500\n\
                        peering_lan = [\"192.0.2.0/24\", \"2001:db8:1::/64\"]\ninterface = \"eth1\"\n";
const IRR: &str = "[irr]\ndump = [\"irr.db\"]\n";
const SERVER: &str = "[[route_server]]\nname = \"rs1\"\nrouter_id = \"192.0.2.250\"\n\
                      listen = [\"192.0.2.250\", \"2001:db8:1::250\"]\n";
const MEMBER: &str = "[[member]]\nasn = 1000010\n";

/// A part of a configuration with as much around it as makes it whole.
fn completed(part: &str) -> String {
    let headers: Vec<&str> = part
        .lines()
        .map(str::trim_start)
        .filter(|line| line.starts_with('[') && line.trim_end().ends_with(']'))
        .collect();
    let has = |wanted: &str| headers.contains(&wanted);
    let first = headers.first().copied().unwrap_or_default();
    let in_server = first.starts_with("[route_server.");
    let in_member = first.starts_with("[member.") || first.starts_with("[[member.");
    let mut before = String::new();
    let mut after = String::new();
    if !has("[exchange]") {
        before += EXCHANGE;
    }
    if !has("[irr]") {
        before += IRR;
    }
    match has("[[route_server]]") {
        false if in_server || in_member => before += SERVER,
        false => after += SERVER,
        true => {}
    }
    if in_member {
        before += MEMBER;
    }
    let begins_with_key = part.trim_start().starts_with(char::is_alphabetic);
    if begins_with_key {
        format!("{part}{before}{after}")
    } else {
        format!("{before}{part}{after}")
    }
}

#[test]
fn every_reject_reason_has_its_section() {
    let chapter = book::chapter("reject-reasons.md");
    let sections: Vec<(&str, &str)> = chapter
        .text
        .split("\n## ")
        .skip(1)
        .map(|section| section.split_once("\n\n").expect("a heading and text"))
        .filter(|(title, _)| !title.contains(' '))
        .collect();
    let written: Vec<&str> = sections.iter().map(|(title, _)| *title).collect();
    let reasons: Vec<&str> = RejectReason::ALL.iter().map(|reason| reason.name()).collect();
    assert_eq!(written, reasons, "one section for each reason, in the order of the checks");
    for (reason, (_, text)) in RejectReason::ALL.into_iter().zip(sections) {
        let euro_ix = match reason.euro_ix() {
            0 => "no Euro-IX code".to_owned(),
            code => format!("Euro-IX {code}"),
        };
        let first = format!("Code {}, {euro_ix}: {reason}.", reason.code());
        assert_eq!(text.lines().next(), Some(first.as_str()), "{}", reason.name());
        for who in ["**The member**", "**You**"] {
            assert!(text.contains(who), "{}: what does {who} do?", reason.name());
        }
    }
}

/// What is written as code and begins with one of our programs is a command that they understand.
#[test]
fn every_command_in_a_sentence_is_one() {
    use clap::error::ErrorKind;

    for chapter in book::chapters() {
        let spans = spans(&chapter);
        for span in spans.iter().filter(|span| !span.contains(['…', '|', '>'])) {
            let place = format!("docs/{}: `{span}`", chapter.name);
            let words: Vec<&str> = span.split_whitespace().collect();
            let command = match words.first() {
                Some(&"rsctl") => rs_daemon::cli::command(),
                Some(&"rs-daemon") => rs_daemon::start::command(),
                _ => continue,
            };
            // A sentence may name a command without what it needs.
            let understood = match command.try_get_matches_from(words) {
                Ok(_) => true,
                Err(error) => matches!(
                    error.kind(),
                    ErrorKind::DisplayVersion
                        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
                        | ErrorKind::MissingSubcommand
                        | ErrorKind::MissingRequiredArgument
                ),
            };
            assert!(understood, "{place}");
        }
    }
}

fn spans(chapter: &Chapter) -> Vec<String> {
    let mut inside = false;
    let mut spans = Vec::new();
    for line in chapter.text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if !inside {
            spans.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    spans
}

#[test]
fn the_commands_are_up_to_date() {
    generated::whole("commands.md", &generated::commands());
}

#[test]
fn the_communities_are_up_to_date() {
    generated::part("communities.md", &generated::communities());
}

#[test]
fn the_json_is_up_to_date() {
    generated::whole("json.md", &generated::json());
}

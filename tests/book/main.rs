//! Every command of the book, run as printed: in a world of its own (processes, network, `/run`,
//! `/var/lib`), with the files that the chapter shows, real BIRDs included. Needs root.
//!
//! `RS_BLESS=1` writes what came out into the chapters; what varies is then to be made `…` by hand.

#![expect(clippy::expect_used, reason = "a test may panic")]

mod world;

use std::fs;
use std::path::Path;

use rs_tests::support::book::{self, Block, Chapter, Step};

use world::World;

/// A test for each chapter with something to run.
macro_rules! chapters {
    ($($test:ident: $file:literal,)*) => {
        const CHAPTERS: &[&str] = &[$($file),*];
        $(#[test] fn $test() { run($file); })*
    };
}

chapters! {
    first_hour: "first-hour.md",
    moving: "moving.md",
    reject_reasons: "reject-reasons.md",
    communities: "communities.md",
    operations: "operations.md",
    metrics: "metrics.md",
    troubleshooting: "troubleshooting.md",
}

#[test]
fn every_chapter_with_commands_has_a_test() {
    for chapter in book::chapters() {
        let commands = chapter.blocks().iter().any(|b| b.language == "console" && !b.is_left_out());
        let listed = CHAPTERS.contains(&chapter.name.as_str());
        assert_eq!(commands, listed, "{} in `chapters!` of tests/book/main.rs", chapter.name);
    }
}

/// The tables of the cheat sheet: every command on the right, from top to bottom.
#[test]
fn every_command_of_the_cheat_sheet_works() {
    let chapter = book::chapter("birdc.md");
    let mut world = begin(&chapter);
    let rows = chapter.text.lines().filter(|line| line.starts_with('|') && line.contains("`rs"));
    let mut count = 0;
    for row in rows {
        let command = row.rsplit('|').nth(1).unwrap_or_default().trim().trim_matches('`');
        let done = world.once(command);
        assert_eq!(done.status, 0, "{command}: {}", done.text);
        assert!(!done.text.trim().is_empty(), "{command} prints nothing");
        count += 1;
        // Nothing answers afterwards.
        if command.starts_with("rsctl shutdown") {
            world = begin(&chapter);
        }
    }
    assert!(count > 30, "{count} commands");
}

/// A world as the chapter takes it for granted.
fn begin(chapter: &Chapter) -> World {
    let mut world = World::new();
    if let Some(scene) = chapter.mark("scene") {
        set(&mut world, scene);
    }
    world
}

fn run(name: &str) {
    let chapter = book::chapter(name);
    let mut world = begin(&chapter);
    let mut blessed = Vec::new();
    for block in chapter.blocks().iter().filter(|block| !block.is_left_out()) {
        match (block.value("file"), block.language.as_str()) {
            (Some(file), "diff") => world.change(file, block),
            (Some(file), _) => world.write(file, &block.text()),
            (None, "console") => blessed.extend(commands(&mut world, &chapter, block)),
            (None, _) => {}
        }
    }
    if !blessed.is_empty() {
        bless(&chapter, &blessed);
    }
}

/// What a chapter takes for granted: the files of the first hour, and a script.
fn set(world: &mut World, scene: &str) {
    for block in book::chapter("first-hour.md").blocks() {
        if let (Some(file), true) = (block.value("file"), block.language != "diff") {
            world.write(file, &block.text());
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("book/scenes/{scene}.sh"));
    let script = fs::read_to_string(&path).expect("a scene has a script");
    let done = world.once(&script);
    assert_eq!(done.status, 0, "{}: {}", path.display(), done.text);
}

/// Runs the commands of a block; with `RS_BLESS=1` gives what came out otherwise than printed.
fn commands(world: &mut World, chapter: &Chapter, block: &Block) -> Vec<(Step, String)> {
    let blessing = std::env::var_os("RS_BLESS").is_some();
    let mut failed = false;
    let mut others = Vec::new();
    for step in book::steps(block) {
        let done = world.run(&step, blessing);
        failed |= done.status != 0;
        let place = format!("docs/{}:{}: {}", chapter.name, step.line, step.command);
        assert!(
            done.status == 0 || block.has("fails") || blessing,
            "{place}\nends with {} and says\n{}",
            done.status,
            done.text
        );
        if done.matches {
            continue;
        }
        assert!(
            blessing,
            "{place}\nprints\n{}\nbut the book says\n{}",
            done.text,
            step.output.join("\n")
        );
        others.push((step, done.text));
    }
    assert!(failed || !block.has("fails"), "docs/{}:{}: nothing fails", chapter.name, block.line);
    others
}

/// Puts what came out into the chapter; lines that match keep their `…`.
fn bless(chapter: &Chapter, steps: &[(Step, String)]) {
    let path = book::docs().join(&chapter.name);
    let text = fs::read_to_string(&path).expect("a chapter");
    assert_eq!(text, chapter.text, "a chapter with `#include` cannot be blessed");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for (step, seen) in steps.iter().rev() {
        let first = step.line + step.command.lines().count() - 1;
        let new = seen.lines().map(|line| {
            let mut old = step.output.iter().filter(|old| old.trim() != "…");
            let kept = old.find(|old| book::matches(old, line));
            kept.cloned().unwrap_or_else(|| line.to_owned())
        });
        lines.splice(first..first + step.output.len(), new.collect::<Vec<_>>());
    }
    fs::write(&path, lines.join("\n") + "\n").expect("a chapter is written");
}

//! Man pages and completion scripts: all of the command line is in them, and the shells and the
//! formatter take them.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Command, Output};

use clap::Command as Definition;

fn rsctl(words: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_rsctl")).args(words).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Pages are named like `rsctl-session-reset.1`.
fn check_pages(command: &Definition, name: &str, section: &str, directory: &Path) -> usize {
    let file = directory.join(format!("{name}.{section}"));
    let page = std::fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()))
        .replace("\\*(Aq", "'")
        .replace('\\', "");
    assert!(page.contains(&format!(".TH {name} {section}")), "{name}: {page}");
    let about = command.get_about().unwrap().to_string();
    assert!(page.contains(about.lines().next().unwrap()), "{name}: {about}");
    for argument in command.get_arguments().filter(|argument| !argument.is_global_set()) {
        if let Some(long) = argument.get_long() {
            assert!(page.contains(&format!("--{long}")), "{name}: --{long}");
        }
    }
    let below = command.get_subcommands().filter(|below| below.get_name() != "help");
    let pages =
        below.map(|b| check_pages(b, &format!("{name}-{}", b.get_name()), section, directory));
    1 + pages.sum::<usize>()
}

#[test]
fn every_command_has_a_page_with_all_its_options() {
    let directory = tempfile::tempdir().unwrap();
    rsctl(&["man", directory.path().to_str().unwrap()]);
    let definitions = [
        ("rsctl", rs_daemon::cli::command(), "1"),
        ("rs-daemon", rs_daemon::start::command(), "8"),
    ];
    let mut pages = 0;
    for (name, mut definition, section) in definitions {
        definition.build();
        pages += check_pages(&definition, name, section, directory.path());
    }
    let files = std::fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(files, pages, "a page for each command, and no other");
    assert!(pages > 25, "{pages}");
}

#[test]
fn completions_of_both_programs_know_their_commands() {
    for program in ["rsctl", "rs-daemon"] {
        for shell in ["bash", "zsh", "fish"] {
            let script = rsctl(&["completions", shell, "--program", program]).stdout;
            let script = String::from_utf8(script).unwrap();
            let word = if program == "rsctl" { "client-config" } else { "arouteserver" };
            assert!(script.contains(word), "{program} {shell}: {word} is missing");
            if shell == "bash" {
                let check = Command::new("bash").args(["-n", "-c", &script]).status().unwrap();
                assert!(check.success(), "{program}");
            }
        }
    }
}

#[test]
fn a_word_of_birdc_is_answered_with_ours() {
    let said = |words: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_rsctl")).args(words).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let answer = said(&["--json", "show", "protocols", "all"]);
    assert!(answer.contains("`show protocols all` of birdc is `rsctl member PEER`"), "{answer}");
    assert!(!answer.contains("shutdown"), "{answer}");
    // What birdc does not know either is clap's.
    assert!(said(&["staus"]).contains("'status'"));
    // Nor is what stands behind a word of ours, least of all as a command that ends everything.
    for words in [["session", "down", "AS65010"], ["session", "restart", "AS65010"]] {
        let answer = said(&words);
        assert!(!answer.contains("birdc") && !answer.contains("shutdown"), "{answer}");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_rsctl"))
        .args([OsStr::new("show"), OsStr::from_bytes(b"\xff")])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

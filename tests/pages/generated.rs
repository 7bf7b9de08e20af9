//! Chapters, and parts of them, that are made from the program's definitions.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use policy::{Policy, PolicyDescription};
use rs_daemon::config;
use rs_tests::support::book;
use serde_json::Value;

const BEGIN: &str = "<!-- generated: RS_BLESS=1 cargo test -p rs-tests --test pages -->";
const END: &str = "<!-- end of what is generated -->";

/// A chapter that is made whole.
pub(crate) fn whole(name: &str, text: &str) {
    let path = book::docs().join(name);
    if std::env::var_os("RS_BLESS").is_some() {
        fs::write(&path, text).expect("a chapter is written");
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == text, "docs/{name} is old: run this test with RS_BLESS=1");
}

/// The part of a chapter between the two marks.
pub(crate) fn part(name: &str, text: &str) {
    let path = book::docs().join(name);
    let page = fs::read_to_string(&path).expect("a chapter");
    let (before, rest) = page.split_once(BEGIN).expect("where what is generated begins");
    let (_, after) = rest.split_once(END).expect("and where it ends");
    whole(name, &format!("{before}{BEGIN}\n\n{text}\n{END}{after}"));
}

/// `rsctl` and `rs-daemon` from the definitions of their command lines.
pub(crate) fn commands() -> String {
    let mut page = format!(
        "# Commands\n\n{BEGIN}\n\nWhat `--help` says, and the man pages (`rsctl man DIRECTORY` writes \
         them). `rsctl completions bash` prints a completion script; other shells likewise.\n\n\
         PEER is an address, with `%zone` where it is not unique, or an AS number with one session. \
         `rsctl` exits with 0 when it is done, 1 when the daemon says no or does not answer, 2 when \
         it is used wrongly.\n"
    );
    for command in [rs_daemon::cli::command(), rs_daemon::start::command()] {
        let mut command = command.disable_help_subcommand(true);
        command.build();
        let name = command.get_name().to_owned();
        section(&mut page, &name, &command, 2);
    }
    page
}

fn section(page: &mut String, path: &str, command: &clap::Command, level: usize) {
    let _ = write!(page, "\n{} {path}\n\n", "#".repeat(level));
    if let Some(about) = command.get_about() {
        let _ = writeln!(page, "{}.", cell(&about.to_string()).trim_end_matches('.'));
    }
    let arguments: Vec<&clap::Arg> = command
        .get_arguments()
        .filter(|argument| !["help", "version"].contains(&argument.get_id().as_str()))
        // What holds everywhere stands once, at the top.
        .filter(|argument| level == 2 || !argument.is_global_set())
        .collect();
    if !arguments.is_empty() {
        let _ = write!(page, "\n| argument | meaning |\n|---|---|\n");
    }
    for argument in arguments {
        let meaning = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let values: Vec<String> = argument
            .get_possible_values()
            .iter()
            .filter(|_| argument.get_action().takes_values())
            .map(|value| format!("`{}`", value.get_name()))
            .collect();
        let values = match values.as_slice() {
            [] => String::new(),
            values => format!(" ({})", values.join(", ")),
        };
        let _ = writeln!(page, "| `{}` | {}{values} |", written(argument), cell(&meaning));
    }
    for command in command.get_subcommands() {
        section(page, &format!("{path} {}", command.get_name()), command, 3);
    }
}

fn written(argument: &clap::Arg) -> String {
    let value = argument.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
    let value = value.filter(|_| argument.get_action().takes_values()).unwrap_or_default();
    match (argument.get_short(), argument.get_long()) {
        (Some(short), Some(long)) => format!("-{short}, --{long} {value}").trim_end().to_owned(),
        (None, Some(long)) => format!("--{long} {value}").trim_end().to_owned(),
        _ => value,
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// The presets as a route server with AS 64500 has them.
pub(crate) fn communities() -> String {
    let mut text = String::new();
    for preset in ["euro-ix", "arouteserver", "irix", "poema"] {
        let described = preset_policy(preset);
        let _ = write!(text, "### {preset}\n\n| a member sets | meaning |\n|---|---|\n");
        rows(&mut text, &described.actions);
        text += "\n| a member sees | meaning |\n|---|---|\n";
        rows(&mut text, &described.tags);
        text.push('\n');
    }
    text.trim_end().to_owned() + "\n"
}

fn rows(text: &mut String, all: &[policy::CommunityDescription]) {
    for one in all {
        let communities: Vec<String> =
            one.communities.iter().map(|community| format!("`{community}`")).collect();
        let _ = writeln!(text, "| {} | {} |", communities.join(" "), cell(one.meaning));
    }
}

fn preset_policy(preset: &str) -> PolicyDescription {
    let text = format!(
        "[exchange]\nasn = 64500\n[[route_server]]\nname = \"rs1\"\nkind = \"transitable\"\n\
         router_id = \"192.0.2.250\"\nlisten = [\"192.0.2.250\"]\n[route_server.import]\n\
         irr = \"off\"\n[route_server.communities]\npreset = \"{preset}\"\n\
         inform = [\"rov\", \"irr\", \"learnt_from\", \"location\"]\n"
    );
    let config = config::parse(Path::new("preset.toml"), &text).expect("a configuration");
    let policy = config.policy_config(0, 1, &[]).expect("a policy");
    Policy::new(policy).expect("it compiles").describe()
}

/// What `rsctl --json` prints, by command. `rs-daemon/tests/ops` holds the answers against it.
const SHAPES: [(&str, &str); 21] = [
    ("status", "Status"),
    ("members", "list of Session"),
    ("members --report", "list of Finding"),
    ("member", "Session"),
    ("routes", "list of Route"),
    ("explain", "Explanation"),
    ("diff", "Diff"),
    ("reload", "Diff"),
    ("session …", "Done"),
    ("drain", "Done"),
    ("shutdown", "Done"),
    ("rpki", "Rpki"),
    ("irr", "list of IrrSet and RpslPolicy"),
    ("irr refresh", "Done"),
    ("bmp", "list of BmpCollector"),
    ("mrt dump", "Done"),
    ("policy", "Policy"),
    ("ixf", "the member export itself, of IX-F's schema 1.0"),
    ("as-set", "Document"),
    ("client-config", "Document"),
    ("top", "TopLook, a line for each look"),
];

/// The shapes of the JSON of `rsctl` and of the API, from the OpenAPI document.
pub(crate) fn json() -> String {
    let document: Value =
        serde_json::from_str(include_str!("../../rs-daemon/src/http/openapi.json"))
            .expect("the OpenAPI document is JSON");
    let schemas = document["components"]["schemas"].as_object().expect("it has schemas");
    let known = |text: &str| {
        let word = |word: &str| match schemas.contains_key(word.trim_end_matches(',')) {
            true => {
                let name = word.trim_end_matches(',');
                format!("{}{}", link(name), &word[name.len()..])
            }
            false => word.to_owned(),
        };
        text.split(' ').map(word).collect::<Vec<_>>().join(" ")
    };
    let mut page = format!(
        "# JSON\n\n{BEGIN}\n\n`rsctl --json` prints the same objects as the [JSON API](http.md), \
         whose OpenAPI document (`/api/v1/openapi.json`) this page is made from. Names stay what \
         they are; new ones may come. A single object is written over several lines, a list with one \
         item on each line, as they come. Times are RFC 3339 in UTC; pairs of figures by family have \
         the members `ipv4` and `ipv6`. What goes wrong is said on stderr in words, with exit status \
         1, and nothing is printed or the list is not closed.\n\n| command | what it prints |\n|---|---|\n"
    );
    for (command, shape) in SHAPES {
        let _ = writeln!(page, "| `rsctl --json {command}` | {} |", known(shape));
    }
    for (name, schema) in schemas {
        let about = schema["description"].as_str().unwrap_or_default();
        let _ =
            write!(page, "\n## {name}\n\n{about}\n\n| member | value | meaning |\n|---|---|---|\n");
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let members = schema["properties"].as_object().into_iter().flatten();
        for (member, value) in members {
            let meaning = cell(value["description"].as_str().unwrap_or_default());
            let maybe = if required.contains(&member.as_str().into()) { "" } else { ", or absent" };
            let _ = writeln!(page, "| `{member}` | {}{maybe} | {meaning} |", kind(value));
        }
    }
    page
}

fn link(schema: &str) -> String {
    format!("[{schema}](#{})", schema.to_lowercase())
}

/// A schema in few words.
fn kind(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        return link(reference.rsplit('/').next().unwrap_or_default());
    }
    if let Some(any) = schema["anyOf"].as_array() {
        return any.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    let one = |name: &str| match name {
        "array" => match schema["prefixItems"].as_array() {
            Some(items) => format!("[{}]", items.iter().map(kind).collect::<Vec<_>>().join(", ")),
            None => format!("list of {}", kind(&schema["items"])),
        },
        "object" => match schema["properties"].as_object() {
            Some(members) => {
                let each = members.iter().map(|(name, value)| format!("`{name}`: {}", kind(value)));
                format!("{{ {} }}", each.collect::<Vec<_>>().join(", "))
            }
            None => "object".to_owned(),
        },
        "string" => match (schema["enum"].as_array(), schema["format"].as_str()) {
            (Some(words), _) => {
                let words = words.iter().filter_map(Value::as_str);
                words.map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" ")
            }
            (None, Some("date-time")) => "time".to_owned(),
            (None, _) => "string".to_owned(),
        },
        "integer" => "number".to_owned(),
        other => other.to_owned(),
    };
    match &schema["type"] {
        Value::Array(names) => {
            names.iter().filter_map(Value::as_str).map(one).collect::<Vec<_>>().join(" or ")
        }
        Value::String(name) => one(name),
        _ => String::new(),
    }
}

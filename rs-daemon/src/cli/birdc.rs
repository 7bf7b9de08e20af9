//! What birdc calls a thing: fingers remember it, so it is answered with what it is called here.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Commands of birdc, the longer ones first, and ours.
const COUNTERPARTS: &[(&str, &str)] = &[
    ("show protocols all", "rsctl member PEER"),
    ("show protocols", "rsctl members"),
    ("show route export", "rsctl routes --to PEER"),
    ("show route filtered protocol", "rsctl routes --from PEER --filtered"),
    ("show route filtered", "rsctl routes --filtered"),
    ("show route noexport", "rsctl explain PREFIX --to PEER"),
    ("show route preexport", "rsctl explain PREFIX --to PEER"),
    ("show route protocol", "rsctl routes --from PEER"),
    ("show route for", "rsctl routes ADDRESS"),
    ("show route in", "rsctl routes PREFIX --covered"),
    ("show route all", "rsctl routes --detail"),
    ("show route", "rsctl routes"),
    ("show roa", "rsctl rpki"),
    ("show status", "rsctl status"),
    ("show memory", "rsctl status"),
    ("show", "rsctl status"),
    ("configure check", "rs-daemon --config FILE --check"),
    ("configure", "rsctl reload"),
    ("restart", "rsctl session reset PEER"),
    ("disable", "rsctl session disable PEER"),
    ("enable", "rsctl session enable PEER"),
    ("graceful", "rsctl shutdown --graceful"),
    ("down", "rsctl shutdown"),
    ("eval", "rsctl explain PREFIX --to PEER"),
];

/// What to say to a line that is not understood, where birdc would understand it.
pub(super) fn answer(error: &clap::Error, typed: impl Iterator<Item = String>) -> Option<String> {
    let unknown = match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(word)) if error.kind() == ErrorKind::InvalidSubcommand => word,
        _ => return None,
    };
    let line: Vec<_> = typed.collect();
    let at = line.iter().position(|word| word == unknown)?;
    // Behind a word of ours it is no command of birdc's: `session down` is not `down`.
    let definition = super::command();
    let is_ours = |word: &String| definition.find_subcommand(word).is_some();
    (!line[..at].iter().skip(1).any(is_ours)).then(|| counterpart(&line[at..])).flatten()
}

/// What to say to `words`, where birdc understands them: it takes every word abbreviated.
fn counterpart(words: &[String]) -> Option<String> {
    let first = words.first()?;
    let means = |theirs: &str| {
        let theirs: Vec<_> = theirs.split(' ').collect();
        words.len() >= theirs.len()
            && (first.len() >= 3 || first == "sh")
            && theirs.iter().zip(words).all(|(whole, word)| whole.starts_with(word.as_str()))
    };
    let (theirs, ours) = COUNTERPARTS.iter().find(|(theirs, _)| means(theirs))?;
    Some(format!("`{theirs}` of birdc is `{ours}`"))
}

#[cfg(test)]
mod tests {
    use super::super::Args;
    use super::*;
    use clap::Parser;

    fn said(line: &str) -> Option<String> {
        counterpart(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn birdc_words_are_answered_with_ours() {
        for (line, expected) in [
            ("show route", "`show route` of birdc is `rsctl routes`"),
            ("sh ro", "`show route` of birdc is `rsctl routes`"),
            ("show proto all bob", "`show protocols all` of birdc is `rsctl member PEER`"),
            ("show route export bob", "`show route export` of birdc is `rsctl routes --to PEER`"),
            ("conf", "`configure` of birdc is `rsctl reload`"),
        ] {
            assert_eq!(said(line).as_deref(), Some(expected), "{line}");
        }
        assert_eq!(said("staus"), None);
        // `reload` is as near.
        assert_eq!(said("re"), None);
    }

    #[test]
    fn what_is_answered_can_be_typed() {
        for (_, ours) in COUNTERPARTS.iter().filter(|(_, ours)| ours.starts_with("rsctl")) {
            if let Err(error) = Args::try_parse_from(ours.split(' ')) {
                panic!("{ours}: {error}");
            }
        }
    }

    /// Rows of docs/birdc.md whose left names another command than the right, or none.
    const EXEMPT: &[(&str, &str)] = &[
        // What sets the right one apart is in the text beside it.
        ("show protocols", "rsctl members rs1"),
        ("show protocols", "rsctl rpki"),
        ("disable NAME", "rsctl session disable AS1000020 --reason maintenance"),
        // Expressions of the filter language.
        ("show route where net ~ 62.20.1.0/24-", "rsctl routes 62.20.1.0/24 --covering"),
        ("show route where bgp_path.last = 1000020", "rsctl routes --origin AS1000020"),
        (
            "show route where (64500,0,1000030) ~ bgp_large_community",
            "rsctl routes --community 64500:0:1000030",
        ),
        // `-p` is for the program, and `reload` a command of ours.
        ("bird -p", "rsctl diff rs.toml"),
        ("reload in NAME", "rsctl session soft-in AS1000020"),
    ];

    /// Whether `ours` is what is named, with values for its PEER, PREFIX, ADDRESS and FILE, and with
    /// nothing more than words that were typed.
    fn fits(named: &str, typed: &str, ours: &str) -> bool {
        let mut words = ours.split(' ');
        let is_value = |word: &str| word.chars().all(|c| c.is_ascii_uppercase());
        named.split(' ').all(|name| words.next().is_some_and(|word| is_value(name) || name == word))
            && words.all(|word| typed.split(' ').any(|typed| typed == word))
    }

    #[test]
    fn the_left_of_the_page_names_its_right() {
        let page = include_str!("../../../docs/birdc.md");
        let (_, table) = page.split_once("\n| birdc | rsctl |\n|---|---|\n").unwrap();
        let (table, _) = table.split_once("\n\n").unwrap();
        let mut exempt = Vec::new();
        for row in table.lines() {
            let (left, right) = row.split_once(" | ").unwrap();
            let ours = right.split('`').nth(1).unwrap();
            // Words beside it are not typed, and a row may have no others.
            for typed in left.split('`').skip(1).step_by(2) {
                let line = || "rsctl ".to_owned() + typed;
                let error = Args::try_parse_from(line().split(' ')).expect_err(typed);
                let answer = answer(&error, line().split(' ').map(str::to_owned));
                let named = answer.as_deref().and_then(|answer| answer.split('`').nth(3));
                if !named.is_some_and(|named| fits(named, typed, ours)) {
                    exempt.push((typed, ours));
                }
            }
        }
        exempt.sort_unstable();
        let mut known = EXEMPT.to_vec();
        known.sort_unstable();
        assert_eq!(exempt, known);
    }

    /// Else it would be understood, and nobody would look here.
    #[test]
    fn none_of_it_is_a_command_of_ours() {
        for (theirs, _) in COUNTERPARTS {
            let words = std::iter::once("rsctl").chain(theirs.split(' '));
            let error = Args::try_parse_from(words).expect_err(theirs);
            assert_eq!(error.kind(), clap::error::ErrorKind::InvalidSubcommand, "{theirs}");
        }
    }
}

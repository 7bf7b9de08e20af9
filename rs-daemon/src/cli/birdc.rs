//! What birdc calls a thing: fingers remember it, so it is answered with what it is called here.

/// Commands of birdc, the longer ones first, and ours.
const COUNTERPARTS: &[(&str, &str)] = &[
    ("show protocols all", "rsctl member PEER"),
    ("show protocols", "rsctl members"),
    ("show route export", "rsctl routes --to PEER"),
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

/// What to say to `words`, where birdc understands them: it takes every word abbreviated.
pub(super) fn counterpart(words: &[String]) -> Option<String> {
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

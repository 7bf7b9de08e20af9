//! Text of other people: what of it a terminal, a file or a reader cannot be shown as it is.

use std::borrow::Cow;

/// `text` with everything that is not plainly printable written as an escape. Names, shutdown
/// texts and host names come from other people's routers.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_plain(c) {
            out.push(c);
        } else {
            out.extend(c.escape_unicode());
        }
    }
    Cow::Owned(out)
}

/// Whether a terminal shows it, and does nothing else.
pub(crate) fn is_plain(c: char) -> bool {
    // Zero-width characters hide in what stands around them.
    !steers(c)
        && !matches!(c,
            '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Whether it ends a line, moves a cursor or turns the direction of what stands around it. No
/// name needs one, unlike the joiners of some scripts.
pub(crate) fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(plain("Alice Nétworks"), "Alice Nétworks");
        assert_eq!(plain("a\x1b[2Jb\n"), "a\\u{1b}[2Jb\\u{a}");
        assert_eq!(plain("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(plain("a\u{200c}b"), "a\\u{200c}b");
    }

    #[test]
    fn names_may_have_joiners_and_no_directions() {
        for c in ['\n', '\u{1b}', '\u{7f}', '\u{9b}', '\u{202e}', '\u{2028}', '\u{2067}'] {
            assert!(steers(c), "{c:?}");
        }
        assert!(!"Müller 日本 می\u{200c}خواهم 👩\u{200d}🚀".chars().any(steers));
    }
}

//! Tables of the file as structs: one definition gives the reader, the suggestions for
//! unknown keys and the reference in docs/configuration.md.

use toml::de::{DeTable, DeValue};

use super::{
    report::{At, Located, Reports},
    value::{FromValue, Input, read},
};
use crate::plain::plain;

/// The default that marks a key which must be given.
pub(super) const REQUIRED: &str = "required";

/// One key of a table, for the reference.
#[derive(Clone, Debug)]
pub(super) struct KeyDoc {
    pub(super) name: &'static str,
    pub(super) kind: String,
    /// As it is shown; [`REQUIRED`] where there is none.
    pub(super) default: &'static str,
    pub(super) meaning: String,
}

/// One table, for the reference.
#[derive(Clone, Debug)]
pub(super) struct TableDoc {
    /// `[exchange]`, as it is written.
    pub(super) header: &'static str,
    pub(super) about: String,
    pub(super) keys: Vec<KeyDoc>,
}

/// A struct defined by [`config_table`].
pub(super) trait ConfigTable: Sized {
    /// `[exchange]`, as it is written.
    const HEADER: &'static str;
    /// What it describes.
    fn about() -> String;
    /// Where it begins.
    fn at(&self) -> At;
    /// Its keys, in the order of the reference.
    fn keys() -> Vec<KeyDoc>;
    /// Reads its keys.
    fn read_keys(table: &mut Keys<'_>, reports: &mut Reports) -> Self;
    /// For the reference.
    fn doc() -> TableDoc {
        TableDoc { header: Self::HEADER, about: Self::about(), keys: Self::keys() }
    }
}

/// The keys of one table while they are read.
pub(super) struct Keys<'d> {
    pub(super) file: usize,
    pub(super) at: At,
    header: &'static str,
    table: &'d DeTable<'d>,
}

impl<'d> Keys<'d> {
    /// The value of a key, if it is there and right. A missing required key is reported.
    pub(super) fn get<T: FromValue>(
        &mut self,
        name: &'static str,
        default: &'static str,
        reports: &mut Reports,
    ) -> Option<Located<T>> {
        let Some(spanned) = self.table.get(name) else {
            if default == REQUIRED && !reports.may_hide(Some(self.file), name) {
                let message = format!("{} has no `{name}`", self.header);
                let example = T::example();
                let help = match example.is_empty() {
                    true => format!("add `{name} = …`, {}", T::kind()),
                    false => format!("add `{name} = …`, {}: {example}", T::kind()),
                };
                reports.error(self.at, message, help);
            }
            return None;
        };
        read(Input { file: self.file, spanned }, reports)
    }
}

/// Reads a table: its keys, then what is in it that is no key.
pub(super) fn read_table<T: ConfigTable + FromValue>(
    input: Input<'_>,
    reports: &mut Reports,
) -> Option<T> {
    let DeValue::Table(table) = input.value() else {
        input.mismatch::<T>(reports);
        return None;
    };
    Some(read_entries(table, input.at(), reports))
}

/// Reads the entries of a table that begins at `at`.
pub(super) fn read_entries<T: ConfigTable>(
    table: &DeTable<'_>,
    at: At,
    reports: &mut Reports,
) -> T {
    let mut keys = Keys { file: at.file, at, header: T::HEADER, table };
    let value = T::read_keys(&mut keys, reports);
    let known = T::keys();
    for key in table.keys().filter(|key| known.iter().all(|known| known.name != key.get_ref())) {
        let place = At { file: at.file, offset: key.span().start };
        let help = suggestion(key.get_ref(), T::HEADER, &known);
        reports.error(place, format!("{} has no key `{}`", T::HEADER, plain(key.get_ref())), help);
    }
    value
}

/// What the writer of an unknown key may have meant.
fn suggestion(unknown: &str, header: &str, known: &[KeyDoc]) -> String {
    let names: Vec<_> = known.iter().map(|key| key.name).collect();
    if let Some(name) = nearest(unknown, &names) {
        return format!("did you mean `{name}`?");
    }
    let tables = super::file::tables();
    let elsewhere = tables.iter().filter(|table| table.header != header);
    let homes: Vec<_> = elsewhere
        .filter(|table| table.keys.iter().any(|key| key.name == unknown))
        .map(|table| table.header)
        .collect();
    match homes.is_empty() {
        true => format!("its keys are: {}", names.join(", ")),
        false => format!("`{unknown}` belongs into {}", homes.join(" or ")),
    }
}

/// The candidate that differs by so few letters that it was probably meant.
pub(super) fn nearest<'c>(written: &str, candidates: &[&'c str]) -> Option<&'c str> {
    let bound = (written.len() / 3).clamp(1, 3);
    let near = candidates.iter().map(|name| (strsim::damerau_levenshtein(written, name), *name));
    near.filter(|(distance, _)| *distance <= bound).min().map(|(_, name)| name)
}

/// The word that was probably meant: the nearest, else the only one that is a part of what was
/// written, as `v4` is of `IPv4`.
pub(super) fn meant<'c>(written: &str, words: &[&'c str]) -> Option<&'c str> {
    let lower = written.to_ascii_lowercase();
    let mut parts = words.iter().copied().filter(|word| lower.contains(word));
    nearest(written, words).or_else(|| parts.next().filter(|_| parts.next().is_none()))
}

/// Defines a table of the file: `field: Type = "default as shown",` with the meaning as doc
/// comment; `..field: Type,` takes in the keys of another table type.
macro_rules! config_table {
    (
        $(#[doc = $about:literal])*
        $name:ident in $header:literal {
            $( $(#[doc = $meaning:literal])* $field:ident: $type:ty = $default:literal, )*
            $( ..$rest:ident: $rest_type:ty, )*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Debug)]
        pub(in crate::config) struct $name {
            /// Where the table begins.
            pub(in crate::config) at: $crate::config::report::At,
            $(
                $(#[doc = $meaning])*
                pub(in crate::config) $field: Option<$crate::config::report::Located<$type>>,
            )*
            $( pub(in crate::config) $rest: $rest_type, )*
        }

        impl $crate::config::table::ConfigTable for $name {
            const HEADER: &'static str = $header;

            fn about() -> String {
                [$($about),*].concat().trim().to_owned()
            }

            fn at(&self) -> $crate::config::report::At {
                self.at
            }

            fn keys() -> Vec<$crate::config::table::KeyDoc> {
                let keys = vec![$($crate::config::table::KeyDoc {
                    name: stringify!($field),
                    kind: <$type as $crate::config::value::FromValue>::kind(),
                    default: $default,
                    meaning: [$($meaning),*].concat().trim().to_owned(),
                }),*];
                $( let keys = {
                    let mut keys = keys;
                    keys.extend(<$rest_type as $crate::config::table::ConfigTable>::keys());
                    keys
                }; )*
                keys
            }

            fn read_keys(
                keys: &mut $crate::config::table::Keys<'_>,
                reports: &mut $crate::config::report::Reports,
            ) -> Self {
                Self {
                    at: keys.at,
                    $( $field: keys.get(stringify!($field), $default, reports), )*
                    $( $rest: <$rest_type as $crate::config::table::ConfigTable>::read_keys(
                        keys, reports,
                    ), )*
                }
            }
        }

        impl $crate::config::value::FromValue for $name {
            fn kind() -> String {
                "a table".to_owned()
            }

            fn from_value(
                input: $crate::config::value::Input<'_>,
                reports: &mut $crate::config::report::Reports,
            ) -> Option<Self> {
                $crate::config::table::read_table(input, reports)
            }
        }
    };
}
pub(super) use config_table;

/// Makes an enum readable that is written as one of a few words.
macro_rules! words {
    ($type:ty { $($word:literal => $value:expr),* $(,)? }) => {
        impl $crate::config::value::FromText for $type {
            fn kind() -> &'static str {
                concat!("one of", $(" \"", $word, "\""),*)
            }

            fn example() -> &'static str {
                concat!("write one of", $(" \"", $word, "\""),*)
            }

            fn from_text(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok($value),)*
                    _ => Err(match $crate::config::table::meant(text, &[$($word),*]) {
                        Some(near) => format!("unknown value \"{text}\"; did you mean \"{near}\"?"),
                        None => format!("unknown value \"{text}\""),
                    }),
                }
            }
        }

        $crate::config::value::text_values!($type);
    };
}
pub(super) use words;

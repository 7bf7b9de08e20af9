//! Values of the file as Rust values, each with its place; a wrong one is reported, not thrown.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::PathBuf,
    time::Duration,
};

use bgp_wire::{Asn, Prefix};
use toml::{Spanned, de::DeValue};

use super::{
    Secret,
    report::{At, Located, Reports},
};
use crate::plain::steers;

/// A value as it stands in a file.
#[derive(Clone, Copy)]
pub(super) struct Input<'d> {
    pub(super) file: usize,
    pub(super) spanned: &'d Spanned<DeValue<'d>>,
}

impl<'d> Input<'d> {
    pub(super) fn at(self) -> At {
        At { file: self.file, offset: self.spanned.span().start }
    }

    pub(super) fn value(self) -> &'d DeValue<'d> {
        self.spanned.get_ref()
    }

    /// What kind of value it is, for messages. Never the value itself: it may be a password.
    fn found(self) -> &'static str {
        match self.value() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        }
    }

    /// Reports that a value of type `T` was wanted.
    pub(super) fn mismatch<T: FromValue>(self, reports: &mut Reports) {
        let message = format!("expected {}, found {}", T::kind(), self.found());
        reports.error(self.at(), message, T::example());
    }
}

/// A type that a value of the file can be.
pub(super) trait FromValue: Sized {
    /// What it is, for messages and for the reference: "a whole number from 0 to 255".
    fn kind() -> String;

    /// An example of how it is written, with a leading verb: `write "90s"`. May be empty.
    fn example() -> String {
        String::new()
    }

    /// Reads it. `None`: not one; that has been reported.
    fn from_value(input: Input<'_>, reports: &mut Reports) -> Option<Self>;
}

/// Reads a value of which the file has a place.
pub(super) fn read<T: FromValue>(input: Input<'_>, reports: &mut Reports) -> Option<Located<T>> {
    T::from_value(input, reports).map(|value| Located { value, at: input.at() })
}

impl FromValue for bool {
    fn kind() -> String {
        "true or false".to_owned()
    }

    fn from_value(input: Input<'_>, reports: &mut Reports) -> Option<Self> {
        let value = input.value().as_bool();
        if value.is_none() {
            input.mismatch::<Self>(reports);
        }
        value
    }
}

impl FromValue for String {
    fn kind() -> String {
        "a string".to_owned()
    }

    fn from_value(input: Input<'_>, reports: &mut Reports) -> Option<Self> {
        plain_text::<Self>(input, reports).map(str::to_owned)
    }
}

/// A text that can stand in a line of any document or terminal: names come from exports and
/// portals, and become lines of a router's configuration. Reported where it cannot.
fn plain_text<'d, T: FromValue>(input: Input<'d>, reports: &mut Reports) -> Option<&'d str> {
    let Some(text) = input.value().as_str() else {
        input.mismatch::<T>(reports);
        return None;
    };
    let Some(c) = text.chars().find(|c| steers(*c)) else { return Some(text) };
    let message = format!("the text has a character that cannot be shown: {}", c.escape_unicode());
    let help = "write it in one line, without control characters and without characters that \
                change the direction of text";
    reports.error(input.at(), message, help);
    None
}

impl FromValue for Secret {
    fn kind() -> String {
        "a string".to_owned()
    }

    fn from_value(input: Input<'_>, reports: &mut Reports) -> Option<Self> {
        // Whatever it holds is sent or hashed, and never shown.
        let Some(text) = input.value().as_str() else {
            input.mismatch::<Self>(reports);
            return None;
        };
        Some(Self::new(text.to_owned()))
    }
}

impl FromValue for PathBuf {
    fn kind() -> String {
        "a path".to_owned()
    }

    fn from_value(input: Input<'_>, reports: &mut Reports) -> Option<Self> {
        let text = String::from_value(input, reports)?;
        if text.is_empty() {
            reports.error(
                input.at(),
                "the path is empty",
                "write a file name, or leave the key out",
            );
            return None;
        }
        Some(reports.directory(input.file).join(text))
    }
}

impl<T: FromValue> FromValue for Vec<Located<T>> {
    fn kind() -> String {
        format!("a list, each {}", T::kind())
    }

    fn from_value(input: Input<'_>, reports: &mut Reports) -> Option<Self> {
        let DeValue::Array(array) = input.value() else {
            return lone(input, reports);
        };
        let elements = array.iter().map(|spanned| Input { file: input.file, spanned });
        let read: Self = elements.filter_map(|element| read(element, reports)).collect();
        // One of which nothing can be read is not empty.
        (!read.is_empty() || array.is_empty()).then_some(read)
    }
}

/// Reports a value without the brackets of a list, and takes it for a list of one. What is shown is
/// no password: it could be in that list.
fn lone<T: FromValue>(input: Input<'_>, reports: &mut Reports) -> Option<Vec<Located<T>>> {
    let element: Option<Located<T>> = read(input, &mut Reports::default());
    let written = reports.written(input.at(), input.spanned.span().end);
    let help = match (input.value(), &element) {
        (DeValue::Table(_), _) => "write a list of tables: `[{ … }]`, or below a header in double \
                                   brackets: `[[…]]`"
            .to_owned(),
        (_, Some(_)) if !written.contains('\n') => format!("write `[{written}]`, in brackets"),
        _ => "write it in brackets: `[…]`".to_owned(),
    };
    let message = format!("expected {}, found {}", Vec::<Located<T>>::kind(), input.found());
    reports.error(input.at(), message, help);
    element.map(|element| vec![element])
}

impl<T: FromValue> FromValue for Box<T> {
    fn kind() -> String {
        T::kind()
    }

    fn from_value(input: Input<'_>, reports: &mut Reports) -> Option<Self> {
        T::from_value(input, reports).map(Self::new)
    }
}

/// A whole number, whatever base it is written in.
pub(super) fn integer(input: Input<'_>) -> Option<i128> {
    let integer = input.value().as_integer()?;
    i128::from_str_radix(integer.as_str(), integer.radix()).ok()
}

macro_rules! whole_numbers {
    ($($type:ty),*) => {$(
        impl FromValue for $type {
            fn kind() -> String {
                format!("a whole number from 0 to {}", <$type>::MAX)
            }

            fn from_value(input: Input<'_>, reports: &mut Reports) -> Option<Self> {
                let Some(number) = integer(input) else {
                    input.mismatch::<Self>(reports);
                    return None;
                };
                let value = Self::try_from(number).ok();
                if value.is_none() {
                    let message = format!("{number} is out of range");
                    reports.error(input.at(), message, format!("write {}", Self::kind()));
                }
                value
            }
        }
    )*};
}

whole_numbers!(u8, u16, u32);

/// A type that is written as a string.
pub(super) trait FromText: Sized {
    fn kind() -> &'static str;
    fn example() -> &'static str;
    /// `Err`: why not.
    fn from_text(text: &str) -> Result<Self, String>;
}

/// Reads a [`FromText`] value: shared by all `FromValue` implementations made of one.
pub(super) fn from_text<T: FromText + FromValue>(
    input: Input<'_>,
    reports: &mut Reports,
) -> Option<T> {
    let text = plain_text::<T>(input, reports)?;
    match T::from_text(text) {
        Ok(value) => Some(value),
        Err(why) => {
            reports.error(input.at(), why, <T as FromText>::example());
            None
        }
    }
}

/// Makes types that are written as strings readable.
macro_rules! text_values {
    ($($type:ty),* $(,)?) => {$(
        impl $crate::config::value::FromValue for $type {
            fn kind() -> String {
                <$type as $crate::config::value::FromText>::kind().to_owned()
            }

            fn example() -> String {
                <$type as $crate::config::value::FromText>::example().to_owned()
            }

            fn from_value(
                input: $crate::config::value::Input<'_>,
                reports: &mut $crate::config::report::Reports,
            ) -> Option<Self> {
                $crate::config::value::from_text(input, reports)
            }
        }
    )*};
}
pub(super) use text_values;

text_values!(Prefix, IpAddr, Ipv4Addr, Ipv6Addr, Duration, Interval);

impl FromText for IpAddr {
    fn kind() -> &'static str {
        "an IP address"
    }

    fn example() -> &'static str {
        "write it like \"192.0.2.1\" or \"2001:db8::1\""
    }

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("\"{text}\" is no IP address"))
    }
}

impl FromText for Ipv4Addr {
    fn kind() -> &'static str {
        "an IPv4 address"
    }

    fn example() -> &'static str {
        "write it like \"192.0.2.250\""
    }

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("\"{text}\" is no IPv4 address"))
    }
}

impl FromText for Ipv6Addr {
    fn kind() -> &'static str {
        "an IPv6 address"
    }

    fn example() -> &'static str {
        "write it like \"fe80::65:10\""
    }

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("\"{text}\" is no IPv6 address"))
    }
}

impl FromText for Prefix {
    fn kind() -> &'static str {
        "a prefix"
    }

    fn example() -> &'static str {
        "write it like \"192.0.2.0/24\" or \"2001:db8::/32\""
    }

    fn from_text(text: &str) -> Result<Self, String> {
        let no_prefix = || format!("\"{text}\" is no prefix");
        let (address, length) = text.split_once('/').ok_or_else(no_prefix)?;
        let address: IpAddr = address.parse().map_err(|_| no_prefix())?;
        let length: u8 = length.parse().map_err(|_| no_prefix())?;
        let prefix = Self::new(address, length)
            .ok_or_else(|| format!("\"{text}\" is no prefix: /{length} is too long"))?;
        if prefix.address() == address {
            Ok(prefix)
        } else {
            Err(format!("\"{text}\" has bits set behind its length; the prefix is \"{prefix}\""))
        }
    }
}

/// A hundred years: a point in time so far from now can still be computed.
const LONGEST_SECS: u64 = 100 * 365 * 86_400;

impl FromText for Duration {
    fn kind() -> &'static str {
        "a duration"
    }

    fn example() -> &'static str {
        "write a number and s, m, h or d: \"90s\", \"5m\", \"1h\", \"1h30m\""
    }

    fn from_text(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is no duration");
        let mut rest = text.trim();
        let mut seconds = 0_u64;
        if rest.is_empty() {
            return Err(wrong());
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
            let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
            rest = &rest[digits..];
            let unit_length = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
            let unit = match &rest[..unit_length] {
                "s" => 1,
                "m" | "min" => 60,
                "h" => 3600,
                "d" => 86_400,
                _ => return Err(wrong()),
            };
            rest = rest[unit_length..].trim_start();
            seconds = number
                .checked_mul(unit)
                .and_then(|more| seconds.checked_add(more))
                .ok_or_else(wrong)?;
        }
        if seconds > LONGEST_SECS {
            return Err(format!("\"{text}\" is longer than a hundred years"));
        }
        Ok(Self::from_secs(seconds))
    }
}

/// A duration that is not zero, or `"off"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Interval(pub(super) Option<Duration>);

impl FromText for Interval {
    fn kind() -> &'static str {
        "a duration, or \"off\""
    }

    fn example() -> &'static str {
        "write a number and s, m, h or d: \"90s\", \"5m\", \"1h\"; or \"off\""
    }

    fn from_text(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        match Duration::from_text(text)? {
            Duration::ZERO => Err(format!("\"{text}\" is no interval")),
            interval => Ok(Self(Some(interval))),
        }
    }
}

impl FromValue for Asn {
    fn kind() -> String {
        "an AS number".to_owned()
    }

    fn example() -> String {
        "write a whole number from 1 to 4294967294".to_owned()
    }

    fn from_value(input: Input<'_>, reports: &mut Reports) -> Option<Self> {
        let number = match input.value() {
            DeValue::String(text) => text
                .strip_prefix("AS")
                .or_else(|| text.strip_prefix("as"))
                .and_then(|digits| digits.parse().ok()),
            _ => integer(input),
        };
        let Some(number) = number else {
            input.mismatch::<Self>(reports);
            return None;
        };
        // RFC 7607: AS 0; RFC 7300: the last one; RFC 6793: AS_TRANS
        let asn = u32::try_from(number).ok().filter(|asn| !matches!(*asn, 0 | 23456 | u32::MAX));
        if asn.is_none() {
            let message = format!("{number} is nobody's AS number");
            reports.error(input.at(), message, <Self as FromValue>::example());
        }
        asn.map(Asn)
    }
}

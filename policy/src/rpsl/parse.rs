//! Reading policy lines of an aut-num object (RFC 2622 §6, RFC 4012 §4, draft-snijders-rpsl-via).

use std::net::Ipv6Addr;
use std::sync::Arc;

use bgp_wire::{Asn, Families, Family};
use nom::branch::alt;
use nom::bytes::complete::{take_while, take_while1};
use nom::character::complete::{char, multispace0};
use nom::combinator::{map_opt, opt, peek, value, verify};
use nom::error::{Error, ErrorKind};
use nom::multi::{many1, separated_list1};
use nom::sequence::{delimited, preceded, terminated};
use nom::{IResult, Parser};

use super::expression::AsExpression;
use super::{Direction, LineFilter, PolicyLine};

/// A line that cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{attribute}: cannot be understood at \"{at}\"")]
pub struct RpslError {
    /// The attribute's name.
    pub attribute: String,
    /// Where reading ended.
    pub at: String,
}

/// Parentheses may nest this deep; the text is somebody else's.
const MAX_DEPTH: usize = 16;

/// Names in a line: the text is somebody else's, and each of them is a level of the expression.
const MAX_NAMES: usize = 1000;

/// Characters of the rest that an error shows.
const SHOWN: usize = 40;

/// Characters of a line that are kept for people to see.
const KEPT: usize = 160;

/// The policy lines of an attribute; none for attributes that are no policy. A value may run over
/// several lines, with comments.
pub fn parse_attribute(attribute: &str, text: &str) -> Result<Vec<PolicyLine>, RpslError> {
    let kind = match attribute.to_ascii_lowercase().as_str() {
        "import-via" => Kind { direction: Direction::Import, via: true, families: Families::BOTH },
        "export-via" => Kind { direction: Direction::Export, via: true, families: Families::BOTH },
        // RFC 4012 §4: import and export are about IPv4 unicast.
        "import" => Kind { direction: Direction::Import, via: false, families: V4_ONLY },
        "export" => Kind { direction: Direction::Export, via: false, families: V4_ONLY },
        "mp-import" => Kind { direction: Direction::Import, via: false, families: Families::BOTH },
        "mp-export" => Kind { direction: Direction::Export, via: false, families: Families::BOTH },
        _ => return Ok(Vec::new()),
    };
    let folded: String = text
        .lines()
        .map(|line| line.split_once('#').map_or(line, |(before, _)| before))
        .collect::<Vec<_>>()
        .join(" ");
    let error = |rest: &str| RpslError {
        attribute: attribute.to_owned(),
        at: rest.trim_start().chars().take(SHOWN).collect(),
    };
    if let Some(rest) = too_many_names(&folded) {
        return Err(error(rest));
    }
    match line(&folded, &shown(attribute, &folded), &kind) {
        Ok((_, lines)) => Ok(lines),
        Err(nom::Err::Error(at) | nom::Err::Failure(at)) => Err(error(at.input)),
        Err(nom::Err::Incomplete(_)) => Err(error("")),
    }
}

/// The text from the first name on that is one too many.
fn too_many_names(mut rest: &str) -> Option<&str> {
    let operators = ["and", "or", "except", "not"];
    let mut names = 0;
    loop {
        rest = rest.trim_start_matches(|c: char| !is_name(c));
        let word = &rest[..rest.find(|c: char| !is_name(c)).unwrap_or(rest.len())];
        let is_operator = operators.iter().any(|operator| word.eq_ignore_ascii_case(operator));
        // Numbers are those of prefixes and actions, which are not looked at.
        if !is_operator && word.starts_with(|c: char| c.is_ascii_alphabetic()) {
            names += 1;
        }
        if word.is_empty() || names > MAX_NAMES {
            return (names > MAX_NAMES).then_some(rest);
        }
        rest = &rest[word.len()..];
    }
}

/// The line as people see it.
fn shown(attribute: &str, text: &str) -> Arc<str> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let whole = format!("{}: {}", attribute.to_ascii_lowercase(), words.join(" "));
    match whole.char_indices().nth(KEPT) {
        Some((end, _)) => Arc::from(format!("{}...", &whole[..end])),
        None => Arc::from(whole),
    }
}

const V4_ONLY: Families = Families::only(Family::V4);

struct Kind {
    direction: Direction,
    via: bool,
    /// Where there is no afi list.
    families: Families,
}

impl Kind {
    fn preposition(&self) -> &'static str {
        match self.direction {
            Direction::Import => "from",
            Direction::Export => "to",
        }
    }

    fn verb(&self) -> &'static str {
        match self.direction {
            Direction::Import => "accept",
            Direction::Export => "announce",
        }
    }
}

/// `[protocol p] [into p] [afi list] peering+ accept filter`
fn line<'a>(input: &'a str, text: &Arc<str>, kind: &Kind) -> IResult<&'a str, Vec<PolicyLine>> {
    let (input, _) = opt(preceded(keyword("protocol"), word)).parse(input)?;
    let (input, _) = opt(preceded(keyword("into"), word)).parse(input)?;
    let (input, families) = opt(afi_list).parse(input)?;
    let families = families.unwrap_or(kind.families);
    let (input, peerings) = many1(|input| peering(input, kind)).parse(input)?;
    let (input, _) = keyword(kind.verb()).parse(input)?;
    let (input, filter) = filter(input, kind)?;
    let lines = peerings
        .into_iter()
        .map(|(via, peers)| {
            let (direction, filter, text) = (kind.direction, filter.clone(), Arc::clone(text));
            PolicyLine { text, direction, families, via, peers, filter }
        })
        .collect();
    Ok((input, lines))
}

/// `afi ipv4.unicast, ipv6` (RFC 4012 §2.3); multicast is not ours.
fn afi_list(input: &str) -> IResult<&str, Families> {
    let one = map_opt(token(|c: char| c.is_ascii_alphanumeric() || c == '.'), afi);
    let (input, all) = preceded(keyword("afi"), separated_list1(symbol(','), one)).parse(input)?;
    Ok((input, all.iter().flat_map(|families| families.iter()).collect()))
}

fn afi(name: &str) -> Option<Families> {
    let name = name.to_ascii_lowercase();
    let (family, cast) = name.split_once('.').unwrap_or((&name, "unicast"));
    let families = match family {
        "any" => Families::BOTH,
        "ipv4" => V4_ONLY,
        "ipv6" => Families::only(Family::V6),
        _ => return None,
    };
    match cast {
        "unicast" => Some(families),
        "multicast" => Some(Families::NONE),
        _ => None,
    }
}

/// `[via] from peers [router [at router]] [action ...;]`
fn peering<'a>(
    input: &'a str,
    kind: &Kind,
) -> IResult<&'a str, (Option<AsExpression>, AsExpression)> {
    let (input, via) = if kind.via {
        let (input, via) = expression(input, Context::Peering, MAX_DEPTH)?;
        (routers(input), Some(via))
    } else {
        (input, None)
    };
    let (input, _) = keyword(kind.preposition()).parse(input)?;
    let (input, peers) = expression(input, Context::Peering, MAX_DEPTH)?;
    let input = routers(input);
    let (input, actions) = opt(keyword("action")).parse(input)?;
    Ok((if actions.is_some() { skip_actions(input, kind) } else { input }, (via, peers)))
}

/// Skips router expressions: which router of a peering is meant makes no difference here.
fn routers(mut input: &str) -> &str {
    let router = |input| verify(word, is_router).parse(input);
    loop {
        let after_at = preceded(keyword("at"), word).parse(input);
        match after_at.or_else(|_: nom::Err<Error<&str>>| router(input)) {
            Ok((rest, _)) => input = rest,
            Err(_) => return input,
        }
    }
}

/// An address, or the name of an inet-rtr object (RFC 2622 §5.6), which has a dot.
fn is_router(word: &str) -> bool {
    let name = word.starts_with(|c: char| c.is_ascii_alphabetic()) && word.contains('.');
    name || word.starts_with(|c: char| c.is_ascii_digit()) || word.parse::<Ipv6Addr>().is_ok()
}

/// Skips actions up to the filter, or to the next peering after a semicolon.
fn skip_actions<'a>(input: &'a str, kind: &Kind) -> &'a str {
    let mut rest = input;
    let mut depth = 0usize;
    let mut ended = false;
    loop {
        let trimmed = rest.trim_start();
        let at_filter = keyword(kind.verb()).parse(trimmed).is_ok();
        let at_peering = ended && peering_follows(trimmed, kind);
        if depth == 0 && (at_filter || at_peering) {
            return trimmed;
        }
        let mut characters = trimmed.chars();
        match characters.next() {
            None => return trimmed,
            Some('(' | '{') => depth += 1,
            Some(')' | '}') => depth = depth.saturating_sub(1),
            Some(_) => {}
        }
        ended = trimmed.starts_with(';');
        rest = characters.as_str();
        if trimmed.starts_with(is_name) {
            rest = trimmed.trim_start_matches(is_name);
        }
    }
}

fn peering_follows(input: &str, kind: &Kind) -> bool {
    let at_preposition = keyword(kind.preposition()).parse(input).is_ok();
    at_preposition || (kind.via && peek(name_expression).parse(input).is_ok())
}

/// What a line lets through: everything that is written there and no `NOT ANY` lets something
/// through, and only lines of the older kind say from whom.
fn filter<'a>(input: &'a str, kind: &Kind) -> IResult<&'a str, LineFilter> {
    let text = input.split(';').next().unwrap_or(input).trim();
    if text.is_empty() {
        return Err(nom::Err::Error(Error::new(input, ErrorKind::Eof)));
    }
    let rest = &input[input.len()..];
    if text.chars().filter(|c| !c.is_whitespace()).eq("{}".chars()) {
        return Ok((rest, LineFilter::Refuse));
    }
    let parsed = terminated(|input| expression(input, Context::Filter, MAX_DEPTH), multispace0)
        .parse(text)
        .ok()
        .filter(|(rest, _)| rest.is_empty())
        .map(|(_, expression)| expression);
    let filter = match parsed {
        Some(AsExpression::Not(inner)) if *inner == AsExpression::Any => LineFilter::Refuse,
        Some(AsExpression::Any | AsExpression::Prefixes) | None => LineFilter::Allow,
        Some(_) if kind.via => LineFilter::Allow,
        Some(expression) => LineFilter::From(expression),
    };
    Ok((rest, filter))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    /// `from`, `to`, `action`, `accept` end it.
    Peering,
    /// Terms may follow each other without an operator, which is OR (RFC 2622 §5.4).
    Filter,
}

/// `a OR b`, lowest in precedence.
fn expression(input: &str, context: Context, depth: usize) -> IResult<&str, AsExpression> {
    let (mut input, mut left) = conjunction(input, context, depth)?;
    loop {
        let after = keyword("or").parse(input);
        let operand = match (after, context) {
            (Ok((rest, _)), _) => conjunction(rest, context, depth).map(Some)?,
            (Err(_), Context::Filter) => conjunction(input, context, depth).ok(),
            (Err(_), Context::Peering) => None,
        };
        let Some((rest, right)) = operand else { return Ok((input, left)) };
        left = AsExpression::Or(Box::new(left), Box::new(right));
        input = rest;
    }
}

/// `a AND b`, `a EXCEPT b`
fn conjunction(input: &str, context: Context, depth: usize) -> IResult<&str, AsExpression> {
    let (mut input, mut left) = term(input, context, depth)?;
    let operator =
        |input| alt((value(true, keyword("and")), value(false, keyword("except")))).parse(input);
    while let Ok((rest, and)) = operator(input) {
        let (rest, right) = term(rest, context, depth)?;
        let (a, b) = (Box::new(left), Box::new(right));
        left = if and { AsExpression::And(a, b) } else { AsExpression::Except(a, b) };
        input = rest;
    }
    Ok((input, left))
}

fn term(input: &str, context: Context, depth: usize) -> IResult<&str, AsExpression> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(nom::Err::Failure(Error::new(input, ErrorKind::TooLarge)));
    };
    if let Ok((rest, _)) = keyword("not").parse(input) {
        let (rest, inner) = term(rest, context, depth)?;
        return Ok((rest, AsExpression::Not(Box::new(inner))));
    }
    let inner = move |input| expression(input, context, depth);
    let parentheses = delimited(symbol('('), inner, symbol(')'));
    match context {
        Context::Peering => alt((parentheses, name_expression)).parse(input),
        Context::Filter => {
            let named = alt((parentheses, name_expression, prefixes));
            terminated(named, opt(range_operator)).parse(input)
        }
    }
}

/// What a filter says of prefixes and paths (RFC 2622 §5.4).
fn prefixes(input: &str) -> IResult<&str, AsExpression> {
    let list = delimited(symbol('{'), take_while(|c| c != '}'), char('}'));
    let path = delimited(symbol('<'), take_while(|c| c != '>'), char('>'));
    let set = verify(token(is_name), |name: &str| {
        let upper = name.to_ascii_uppercase();
        let is_set = |part: &str| part.starts_with("RS-") || part.starts_with("FLTR-");
        upper == "PEERAS" || upper.split(':').any(is_set)
    });
    value(AsExpression::Prefixes, alt((list, path, set))).parse(input)
}

/// `^+`, `^-`, `^24`, `^24-28` behind a set: which lengths are meant makes no difference here.
fn range_operator(input: &str) -> IResult<&str, &str> {
    let lengths = take_while1(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-'));
    preceded(symbol('^'), lengths).parse(input)
}

/// `ANY`, an AS number or an AS-SET.
fn name_expression(input: &str) -> IResult<&str, AsExpression> {
    map_opt(token(is_name), |name| {
        let upper = name.to_ascii_uppercase();
        if upper == "ANY" || upper == "AS-ANY" {
            return Some(AsExpression::Any);
        }
        if let Some(digits) = upper.strip_prefix("AS")
            && let Ok(asn) = digits.parse()
        {
            return Some(AsExpression::As(Asn(asn)));
        }
        // Hierarchical names have at least one part that is a set's (RFC 2622 §5).
        upper.split(':').any(|part| part.starts_with("AS-")).then_some(AsExpression::Set(upper))
    })
    .parse(input)
}

fn is_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | ':')
}

fn word(input: &str) -> IResult<&str, &str> {
    token(|character: char| !character.is_whitespace() && character != ';').parse(input)
}

fn token<'a>(
    of: impl Fn(char) -> bool,
) -> impl Parser<&'a str, Output = &'a str, Error = Error<&'a str>> {
    preceded(multispace0, take_while1(of))
}

fn symbol<'a>(symbol: char) -> impl Parser<&'a str, Output = char, Error = Error<&'a str>> {
    preceded(multispace0, char(symbol))
}

/// A whole word, in any case (RFC 2622 §2).
fn keyword<'a>(word: &str) -> impl Parser<&'a str, Output = &'a str, Error = Error<&'a str>> {
    verify(preceded(multispace0, take_while(is_name)), move |found: &str| {
        found.eq_ignore_ascii_case(word)
    })
}

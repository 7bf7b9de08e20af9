//! The part of JSON Schema that the OpenAPI document and the IX-F member export use.

use serde_json::Value;

/// Holds `value` against `schema`. A member that the schema does not know is an error, too: what
/// the API says has to be documented.
pub(crate) fn check(document: &Value, schema: &Value, value: &Value, at: &str) {
    if let Err(error) = valid(document, schema, value, at) {
        panic!("{error}");
    }
}

fn valid(document: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(reference.trim_start_matches('#')).unwrap();
        return valid(document, target, value, at);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let tried: Vec<_> = any.iter().map(|one| valid(document, one, value, at)).collect();
        return match tried.iter().any(Result::is_ok) {
            true => Ok(()),
            false => Err(tried.into_iter().filter_map(Result::err).collect::<Vec<_>>().join("; ")),
        };
    }
    let kinds: Vec<_> = match &schema["type"] {
        Value::String(kind) => vec![kind.as_str()],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => return Ok(()),
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let fits = kinds.contains(&kind) || kind == "integer" && kinds.contains(&"number");
    if !fits {
        return Err(format!("{at}: {kind} where {kinds:?} is documented: {value}"));
    }
    if let (Some(allowed), false) = (schema["enum"].as_array(), value.is_null())
        && !allowed.contains(value)
    {
        return Err(format!("{at}: {value} is not among {allowed:?}"));
    }
    if let (Some(format), Some(text)) = (schema["format"].as_str(), value.as_str())
        && !has_format(format, text)
    {
        return Err(format!("{at}: {text:?} is no {format}"));
    }
    if let Value::Array(items) = value {
        for (index, item) in items.iter().enumerate() {
            let each = schema["prefixItems"].get(index).unwrap_or_else(|| &schema["items"]);
            valid(document, each, item, &format!("{at}[{index}]"))?;
        }
    }
    if let (Value::Object(members), Some(known)) = (value, schema["properties"].as_object()) {
        for name in schema["required"].as_array().into_iter().flatten() {
            if !members.contains_key(name.as_str().unwrap()) {
                return Err(format!("{at}: {name} is missing"));
            }
        }
        for (name, member) in members {
            let schema = known.get(name).ok_or_else(|| format!("{at}.{name} is undocumented"))?;
            valid(document, schema, member, &format!("{at}.{name}"))?;
        }
    }
    Ok(())
}

/// Whether `text` is what `format` says; of a format not named here nothing is known.
fn has_format(format: &str, text: &str) -> bool {
    match format {
        "date-time" => text.parse::<jiff::Timestamp>().is_ok(),
        "ipv4" => text.parse::<std::net::Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<std::net::Ipv6Addr>().is_ok(),
        _ => true,
    }
}

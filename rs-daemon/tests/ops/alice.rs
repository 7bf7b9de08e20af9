//! How Alice-LG reads a birdwatcher and a bgplgd: its assertions, where a miss ends the process, as
//! panics here; and what it does with the lists, so that a test sees what a user would.

use serde_json::Value;

/// `servertime_short` and `servertime_ext` as our documentation has them: `2006-01-02 15:04:05`.
pub(crate) fn assert_time(value: &Value, at: &str) {
    let text = value.as_str().unwrap_or_else(|| panic!("{at}: {value} is no text"));
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "0000-00-00 00:00:00", "{at}: {text}");
}

/// Go's `2006-01-02T15:04:05.999999999Z07:00`.
fn assert_nano(value: &Value, at: &str) {
    let text = value.as_str().unwrap_or_else(|| panic!("{at}: {value} is no text"));
    assert!(text.parse::<jiff::Timestamp>().is_ok() && text.ends_with('Z'), "{at}: {text}");
}

/// `api`, `ttl`: type assertions of `parseAPIStatus`.
pub(crate) fn assert_envelope(answer: &Value, at: &str) {
    assert!(answer["api"]["Version"].is_string(), "{at}: panics Alice: {answer}");
    assert!(answer["api"]["result_from_cache"].is_boolean(), "{at}: panics Alice: {answer}");
    assert_nano(&answer["api"]["cache_status"]["cached_at"]["date"], at);
    assert_nano(&answer["ttl"], at);
}

/// The stream decoder: other members of the top level are gone through token by token, in which
/// neither a key nor a text may be one of its three words.
pub(crate) fn routes(answer: &Value, at: &str) -> Vec<Value> {
    assert_envelope(answer, at);
    fn tokens(value: &Value, at: &str) {
        let word = |text: &str| {
            assert!(!["api", "ttl", "routes"].contains(&text), "{at}: {text} out of place");
        };
        match value {
            Value::String(text) => word(text),
            Value::Array(all) => all.iter().for_each(|one| tokens(one, at)),
            Value::Object(all) => all.iter().for_each(|(key, value)| {
                word(key);
                tokens(value, at);
            }),
            _ => {}
        }
    }
    for (key, value) in answer.as_object().unwrap() {
        if !["api", "ttl", "routes"].contains(&key.as_str()) {
            tokens(value, at);
        }
    }
    let routes = answer["routes"].as_array().unwrap_or_else(|| panic!("{at}: no list of routes"));
    routes.iter().for_each(|route| assert_route(route, at));
    routes.clone()
}

fn strings(value: &Value) -> bool {
    value.as_array().is_some_and(|all| all.iter().all(Value::is_string))
}

fn rows(value: &Value, len: usize, right: impl Fn(&Value) -> bool) -> bool {
    value.as_array().is_some_and(|all| {
        all.iter()
            .all(|row| row.as_array().is_some_and(|row| row.len() == len && row.iter().all(&right)))
    })
}

fn assert_route(route: &Value, at: &str) {
    for text in ["network", "gateway", "interface", "from_protocol", "learnt_from"] {
        assert!(route[text].is_string(), "{at}: {text} of {route}");
    }
    assert!(route["metric"].is_number() && route["primary"].is_boolean(), "{at}: {route}");
    assert_time(&route["age"], at);
    assert!(strings(&route["type"]), "{at}: {route}");
    let bgp = &route["bgp"];
    for text in ["origin", "next_hop", "local_pref", "med", "otc"] {
        assert!(bgp[text].is_string(), "{at}: {text} of {route}");
    }
    assert!(strings(&bgp["as_path"]), "{at}: numbers would be ignored: {route}");
    assert!(rows(&bgp["communities"], 2, Value::is_u64), "{at}: {route}");
    assert!(rows(&bgp["large_communities"], 3, Value::is_u64), "{at}: {route}");
    assert!(rows(&bgp["ext_communities"], 3, Value::is_string), "{at}: {route}");
}

/// One of `/protocols/bgp`, which is an object by name.
pub(crate) fn assert_protocol(id: &str, protocol: &Value) {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_:.".contains(c);
    assert!(id.len() <= 80 && id.chars().all(plain), "birdwatcher would not take {id}");
    assert_eq!(protocol["bird_protocol"], "BGP");
    let state = protocol["state"].as_str().unwrap();
    assert!(["up", "start", "down"].contains(&state), "{protocol}");
    assert_time(&protocol["state_changed"], id);
    for text in
        ["table", "connection", "description", "neighbor_address", "neighbor_id", "last_error"]
    {
        assert!(protocol[text].is_string(), "{id}: {text} of {protocol}");
    }
    assert!(!protocol["neighbor_address"].as_str().unwrap().contains('%'), "{protocol}");
    assert!(protocol["neighbor_as"].is_u64(), "{id}: {protocol}");
    assert!(protocol["routes"].is_object(), "{id}: nil panics Alice: {protocol}");
    let channels = protocol["channels"].as_object().unwrap();
    let counted = channels.values().flat_map(|one| [&one["routes"], &one["routes_count"]]);
    for routes in counted.chain([&protocol["routes"]]) {
        for number in ["imported", "filtered", "exported", "preferred"] {
            assert!(routes[number].is_u64(), "{id}: {number} of {protocol}");
        }
    }
    for (change, numbers) in [
        ("import_updates", &["received", "rejected", "filtered", "ignored", "accepted"][..]),
        ("import_withdraws", &[]),
        ("export_updates", &[]),
        ("export_withdraws", &[]),
    ] {
        let change = &protocol["route_changes"][change];
        assert!(change.is_object(), "{id}: {protocol}");
        assert!(numbers.iter().all(|number| change[number].is_u64()), "{id}: {protocol}");
    }
}

/// What Alice shows of a neighbour: accepted ones once for each prefix and without those that were
/// filtered; filtered ones only where gateway or learnt_from is that of the first accepted route.
pub(crate) fn shown(accepted: &[Value], filtered: &[Value]) -> (Vec<Value>, Vec<Value>) {
    let kept: Vec<Value> = match accepted.first() {
        None => filtered.to_vec(),
        Some(first) => filtered
            .iter()
            .filter(|route| {
                ["gateway", "learnt_from"].iter().any(|field| route[field] == first["gateway"])
            })
            .cloned()
            .collect(),
    };
    let mut seen = std::collections::BTreeSet::new();
    let network = |route: &Value| route["network"].as_str().unwrap().to_owned();
    let gone: Vec<String> = filtered.iter().map(network).collect();
    let accepted = accepted
        .iter()
        .filter(|route| !gone.contains(&network(route)) && seen.insert(network(route)))
        .cloned()
        .collect();
    (accepted, kept)
}

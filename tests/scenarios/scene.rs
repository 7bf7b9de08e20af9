//! An exchange on link-local addresses, made and asked with tables.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use rs_tests::support::bird::Bird;
use rs_tests::support::member::{Member as _, Session, Spec, zoned};
use rs_tests::support::netns::{Host, INTERFACE, Lan};
use rs_tests::support::raw;
use rs_tests::support::route::Route;
use rs_tests::support::rs::{Config, RouteServer};
use rs_tests::support::wait::{ensure, eventually};
use serde_json::Value;
use tempfile::TempDir;

/// How long a change may take to be everywhere, BIRD's display included.
pub(crate) const ARRIVE: Duration = Duration::from_secs(90);

enum Speaker {
    Bird(Box<Bird>),
    /// One for each route server.
    Raw(BTreeMap<String, raw::Remote>),
}

/// A member.
pub(crate) struct Party {
    pub(crate) name: String,
    pub(crate) asn: u32,
    host: Host,
    servers: Vec<String>,
    speaker: Speaker,
}

/// A running exchange.
pub(crate) struct Scene {
    pub(crate) parties: Vec<Party>,
    pub(crate) server: RouteServer,
    /// The namespace of the route servers.
    pub(crate) host: Host,
    files: TempDir,
    template: Vec<(String, String)>,
    macros: Vec<(&'static str, String)>,
    _lan: Lan,
}

/// What a scene is made of.
pub(crate) struct Plan<'a> {
    pub(crate) name: &'a str,
    pub(crate) asn: u32,
    pub(crate) peering_lan: &'a str,
    /// Name and address of each route server.
    pub(crate) servers: &'a [(&'a str, &'a str)],
    /// Lines of: name, AS, `bird` or `raw`, route servers.
    pub(crate) members: &'a str,
    /// Written before the start: name and text.
    pub(crate) files: &'a [(&'a str, &'a str)],
    /// What follows [`HEAD`]: `@NAME@` is the address of that member, `@dir@` where the files are.
    pub(crate) config: &'a str,
    /// Words that stand for several in the tables.
    pub(crate) macros: Vec<(&'static str, String)>,
}

/// How every configuration begins; IRR and RPKI data come from files of the plan.
const HEAD: &str = r#"
[exchange]
name        = "@name@"
asn         = @asn@
peering_lan = ["@peering_lan@"]
interface   = "eth1"

[http]
listen = "127.0.0.1:9180"

[control]
socket = "@control@"

[irr]
dump  = ["@dir@/irr.db"]
cache = "@dir@/cache"

[rpki]
json = ["@dir@/vrps.json"]
"#;

/// The words of each line that is no comment.
pub(crate) fn rows(table: &str) -> impl Iterator<Item = Vec<&str>> {
    table
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|words| !words.is_empty())
}

impl Scene {
    pub(crate) fn start(plan: Plan<'_>) -> Self {
        let mut lan = Lan::new();
        let host = lan.link_local_host();
        for (_, address) in plan.servers {
            host.ip(&format!("addr add {address}/64 dev {INTERFACE} nodad"));
        }
        let files = TempDir::new().expect("a temporary directory");
        for (name, text) in plan.files {
            fs::write(files.path().join(name), text).expect("a file is written");
        }
        let mut template = vec![
            ("@name@".to_owned(), plan.name.to_owned()),
            ("@asn@".to_owned(), plan.asn.to_string()),
            ("@peering_lan@".to_owned(), plan.peering_lan.to_owned()),
            ("@dir@".to_owned(), files.path().display().to_string()),
        ];
        let members: Vec<_> = rows(plan.members)
            .map(|row| {
                let member = lan.link_local_host();
                let address = zoned(IpAddr::V6(member.link_local()));
                template.push((format!("@{}@", row[0]), address));
                (row, member)
            })
            .collect();
        let config = render(&template, plan.config);
        let server = RouteServer::start_in(&host, &Config::whole(config));
        let start = |(row, member): (Vec<&str>, Host)| party(&plan, &row, member);
        let mut parties: Vec<Party> = members.into_iter().map(start).collect();
        for party in &mut parties {
            if let Speaker::Bird(bird) = &mut party.speaker {
                bird.wait_established();
            }
        }
        let macros = plan.macros;
        Self { parties, server, host, files, template, macros, _lan: lan }
    }

    /// A configuration out of a text like the first one.
    pub(crate) fn config(&self, text: &str) -> Config {
        Config::whole(render(&self.template, text))
    }

    /// Where the files of the plan are.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.files.path().join(file)
    }

    /// Puts another text in the place of a file, at once, as programs that write such files do.
    pub(crate) fn write(&self, file: &str, text: &str) {
        let new = self.path("new");
        fs::write(&new, text).expect("a file is written");
        fs::rename(new, self.path(file)).expect("it takes the other's place");
    }

    pub(crate) fn party(&self, name: &str) -> &Party {
        self.parties.iter().find(|party| party.name == name).unwrap_or_else(|| panic!("no {name}"))
    }

    /// A raw member's session.
    pub(crate) fn raw(&mut self, name: &str, server: &str) -> &mut raw::Remote {
        let party = self.parties.iter_mut().find(|party| party.name == name);
        match party.map(|party| &mut party.speaker) {
            Some(Speaker::Raw(sessions)) => sessions.get_mut(server).expect("a session there"),
            _ => panic!("{name} is no raw speaker"),
        }
    }

    /// A member's address as `rsctl` takes it.
    pub(crate) fn address(&self, name: &str) -> String {
        self.party(name).host.link_local().to_string()
    }

    /// Announces what the lines say: who, at which server (`*`: all of its), prefix, path behind
    /// its own AS (`-`: none), communities, `nh=ADDRESS`. BIRD announces this and nothing else.
    pub(crate) fn announce(&mut self, table: &str) {
        for party in &mut self.parties {
            let mut all = Vec::new();
            for row in rows(table).filter(|row| row[0] == party.name) {
                let path = [party.asn.to_string(), row[3].replace('-', "")].join(",");
                let hop = IpAddr::V6(party.host.link_local());
                let mut route = Route::new(row[2], path.replace(',', " ").trim_end(), hop);
                for word in &row[4..] {
                    dress(&mut route, word);
                }
                match &mut party.speaker {
                    Speaker::Bird(_) => {
                        assert_eq!((row[1], row[3]), ("*", "-"), "BIRD originates, everywhere");
                        all.push(route);
                    }
                    Speaker::Raw(sessions) => sessions
                        .iter_mut()
                        .filter(|(server, _)| row[1] == "*" || row[1] == *server)
                        .for_each(|(_, session)| session.announce(&route)),
                }
            }
            if let (Speaker::Bird(bird), false) = (&mut party.speaker, all.is_empty()) {
                bird.announce(&all);
            }
        }
    }

    /// Waits until every member holds at every server what the lines say, and nothing else:
    /// server, members (comma between), prefix, path, communities, `nh=ADDRESS` when the next hop
    /// is not that of the first AS.
    pub(crate) fn sees(&mut self, table: &str) {
        let expected: BTreeSet<String> = self.expected(table);
        eventually("every member sees what it must", ARRIVE, || {
            let seen = self.seen()?;
            let missing: Vec<_> = expected.difference(&seen).collect();
            let surplus: Vec<_> = seen.difference(&expected).collect();
            ensure(missing.is_empty() && surplus.is_empty(), || {
                format!("\n  missing: {missing:#?}\n  not expected: {surplus:#?}")
            })
        });
    }

    fn expected(&self, table: &str) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        for row in rows(table) {
            let mut words = BTreeSet::new();
            let mut hop = None;
            for word in &row[4..] {
                match (word.strip_prefix("nh="), self.macros.iter().find(|m| m.0 == *word)) {
                    (Some(address), _) => hop = address.parse().ok(),
                    (_, Some((_, several))) => {
                        words.extend(several.split_whitespace().map(str::to_owned));
                    }
                    _ => {
                        words.insert((*word).to_owned());
                    }
                }
            }
            let first = row[3].split(',').next().unwrap_or_default();
            let hop: Option<Ipv6Addr> = hop.or_else(|| {
                let owner = self.parties.iter().find(|party| party.asn.to_string() == first)?;
                Some(owner.host.link_local())
            });
            let words: Vec<String> = words.into_iter().collect();
            for who in row[1].split(',') {
                let prefix: ipnet::IpNet = row[2].parse().expect("a prefix");
                all.insert(line(row[0], who, &prefix.to_string(), row[3], hop, &words));
            }
        }
        all
    }

    fn seen(&mut self) -> Result<BTreeSet<String>, String> {
        let mut all = BTreeSet::new();
        for party in &mut self.parties {
            for (index, server) in party.servers.iter().enumerate() {
                let routes = match &mut party.speaker {
                    Speaker::Bird(bird) => bird.routes_of(index)?,
                    Speaker::Raw(sessions) => {
                        let session = sessions.get_mut(server).expect("a session there");
                        let status = session.status();
                        ensure(status.closed.is_none(), || format!("{}: {status:?}", party.name))?;
                        session.routes()
                    }
                };
                all.extend(routes.iter().map(|route| shown(server, &party.name, route)));
            }
        }
        Ok(all)
    }

    /// The rejected routes of a server: member, prefix and the reason's name, as lines.
    pub(crate) fn rejected(&self, server: &str) -> Result<BTreeSet<String>, String> {
        let answer = self.server.ask(&["routes", "--rs", server, "--filtered"])?;
        let routes = answer.as_array().ok_or_else(|| format!("{answer} is no list"))?;
        let of_route = |route: &Value| {
            let asn = route["from_asn"].as_u64();
            let from = self.parties.iter().find(|p| Some(u64::from(p.asn)) == asn);
            let name = from.map_or("?", |party| &party.name);
            let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
            format!("{name} {} {}", text(&route["prefix"]), text(&route["reject"]["name"]))
        };
        Ok(routes.iter().map(of_route).collect())
    }

    /// Waits until exactly these are rejected: server, member, prefix, name of the reason.
    pub(crate) fn rejects(&self, table: &str) {
        let servers: BTreeSet<&str> = rows(table).map(|row| row[0]).collect();
        for server in servers {
            let expected: BTreeSet<String> =
                rows(table).filter(|row| row[0] == server).map(|row| row[1..].join(" ")).collect();
            eventually(&format!("{server} rejects what it must"), ARRIVE, || {
                let seen = self.rejected(server)?;
                ensure(seen == expected, || format!("expected {expected:#?}\n seen {seen:#?}"))
            });
        }
    }
}

fn render(template: &[(String, String)], text: &str) -> String {
    let whole = format!("{HEAD}\n{text}");
    template.iter().fold(whole, |text, (name, value)| text.replace(name, value))
}

fn party(plan: &Plan<'_>, row: &[&str], host: Host) -> Party {
    let asn: u32 = row[1].parse().expect("an AS number");
    let servers: Vec<String> = row[3..].iter().map(|&name| name.to_owned()).collect();
    let address = |name: &str| -> Ipv6Addr {
        let found = plan.servers.iter().find(|server| server.0 == name);
        found.expect("a route server of that name").1.parse().expect("an address")
    };
    let local = IpAddr::V6(host.link_local());
    let speaker = if row[2] == "bird" {
        let session = |name: &String| Session {
            local,
            remote: IpAddr::V6(address(name)),
            v4: true,
            v6: true,
            password: None,
            ttl_security: false,
        };
        let sessions = servers.iter().map(session).collect();
        let spec = Spec { host: host.clone(), asn, rs_asn: plan.asn, sessions };
        Speaker::Bird(Box::new(Bird::start(spec)))
    } else {
        let session = |name: &String| {
            let mut config = raw::Config::new(zoned(local), zoned(IpAddr::V6(address(name))), asn);
            config.router_id = [10, 0, 0, host.number].into();
            (name.clone(), raw::Remote::established(&host, config))
        };
        Speaker::Raw(servers.iter().map(session).collect())
    };
    Party { name: row[0].to_owned(), asn, host, servers, speaker }
}

fn dress(route: &mut Route, word: &str) {
    if let Some(address) = word.strip_prefix("nh=") {
        route.set_next_hop(address.parse().expect("an address"));
    } else if word.starts_with("rt:") || word.starts_with("ro:") {
        route.extended.insert(word.to_owned());
    } else if word.matches(':').count() == 2 {
        route.large.insert(word.to_owned());
    } else {
        route.communities.insert(word.to_owned());
    }
}

fn line(
    server: &str,
    who: &str,
    prefix: &str,
    path: &str,
    hop: Option<Ipv6Addr>,
    communities: &[String],
) -> String {
    let hop = hop.map_or_else(|| "?".to_owned(), |hop| hop.to_string());
    format!("{server} {who} {prefix} [{path}] via {hop} {}", communities.join(" "))
}

fn shown(server: &str, who: &str, route: &Route) -> String {
    let words: BTreeSet<String> =
        route.communities.iter().chain(&route.extended).chain(&route.large).cloned().collect();
    let words: Vec<String> = words.into_iter().collect();
    let path = route.as_path.replace(' ', ",");
    line(server, who, &route.prefix.to_string(), &path, route.link_local, &words)
}

/// RPSL objects out of lines: `PREFIX AS`, or `AS-SET: members`.
pub(crate) fn rpsl(table: &str) -> String {
    let mut text = String::new();
    for row in rows(table) {
        if let Some(set) = row[0].strip_suffix(':') {
            text += &format!("as-set: {set}\nmembers: {}\nsource: TEST\n\n", row[1..].join(", "));
        } else {
            let class = if row[0].contains(':') { "route6" } else { "route" };
            text += &format!("{class}: {}\norigin: {}\nsource: TEST\n\n", row[0], row[1]);
        }
    }
    text
}

/// A VRP file out of lines: prefix, longest length, AS.
pub(crate) fn vrps(table: &str) -> String {
    let entry = |row: Vec<&str>| {
        format!(
            "{{\"asn\":\"{}\",\"prefix\":\"{}\",\"maxLength\":{},\"ta\":\"test\"}}",
            row[2], row[0], row[1]
        )
    };
    let roas: Vec<String> = rows(table).map(entry).collect();
    format!(
        "{{\"metadata\":{{\"generated\":1790000000,\"valid\":1890000000,\"counts\":{}}},\"roas\":[{}]}}",
        roas.len(),
        roas.join(",\n")
    )
}

// The looking glass. Asks /api/v1 and builds the page from text nodes only: whatever a member's
// router says stays text.
"use strict";

const PAGE = 200;
const REFRESH_MS = 10000;
const WINDOW = 30;     // Lines and columns of the matrix that are written out at once.

const main = document.getElementById("main");
const said = document.getElementById("said");
const foot = document.getElementById("foot");
const brand = document.querySelector(".brand");
const searchBox = document.getElementById("q");
let turn = 0;          // Answers of a view that was left are dropped.
let timer = 0;
let shown = "";        // The name of the view that is shown.

// ---- building -------------------------------------------------------------------------------

// Characters that move, hide or turn others (a NOTIFICATION's text may have any) are made visible.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;
const visible = (text) => String(text).replace(UNSEEN, "\ufffd");

// One without a name in the configuration is named after its AS.
const called = (member) => member.name === "AS" + member.asn ? member.name : "AS" + member.asn + " " + member.name;

function h(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : visible(value));
  }
  append(node, children);
  return node;
}

function append(node, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(visible(child)));
  }
}

function table(columns, rows, kind = "stack") {
  const head = h("tr", {}, columns.map((c) => h("th", { class: c.n ? "n" : null, scope: "col" }, c.title)));
  const body = rows.map((row) => h("tr", {}, columns.map((c) => {
    const cell = c.cell(row);
    // On a phone a line is a card, and each cell says what it is.
    return h("td", { class: [c.n && "n", c.wide && "wide", c.mono && "mono", c.head && "head"].filter(Boolean).join(" ") || null,
      "data-label": c.label || (typeof c.title === "string" ? c.title : null) }, cell);
  })));
  return h("div", { class: "scroll" }, h("table", { class: kind || null }, h("thead", {}, head), h("tbody", {}, body)));
}

function facts(pairs) {
  return h("dl", {}, pairs.filter(([, v]) => v !== null && v !== undefined && v !== "")
    .map(([k, v]) => [h("dt", {}, k), h("dd", {}, v)]));
}

function link(text, ...path) {
  return h("a", { href: href(...path) }, text);
}

function href(path, parameters) {
  const query = new URLSearchParams(Object.entries(parameters || {}).filter(([, v]) => v));
  const text = query.toString();
  return "#/" + path.map(encodeURIComponent).join("/") + (text ? "?" + text : "");
}

// ---- asking ---------------------------------------------------------------------------------

async function ask(path, parameters) {
  const query = new URLSearchParams(
    Object.entries(parameters || {}).filter(([, v]) => v !== undefined && v !== null && v !== ""));
  const text = query.toString();
  const response = await fetch("/api/v1/" + path + (text ? "?" + text : ""));
  if (response.status === 429) throw new Error("The route server is busy; try again.");
  const answer = await response.json().catch(() => null);
  if (!response.ok) {
    const error = answer && answer.error;
    const choices = error && error.choices ? " " + error.choices.join("; ") : "";
    throw new Error(error ? error.message + choices : "HTTP " + response.status);
  }
  return answer;
}

// ---- words ----------------------------------------------------------------------------------

const number = new Intl.NumberFormat("en");
const count = (n) => number.format(n);
const address = (id) => id.address + (id.interface ? "%" + id.interface : "");

function ago(time) {
  if (!time) return "–";
  const secs = Math.max(0, Math.floor((Date.now() - Date.parse(time)) / 1000));
  const two = (n) => String(n).padStart(2, "0");
  if (secs < 86400) return [secs / 3600, secs / 60 % 60, secs % 60].map((n) => two(Math.floor(n))).join(":");
  if (secs < 7 * 86400) return Math.floor(secs / 86400) + "d" + two(Math.floor(secs % 86400 / 3600)) + "h";
  return Math.floor(secs / 604800) + "w" + Math.floor(secs / 86400) % 7 + "d";
}

function octets(n) {
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (n < 1000 || unit === "GB") return (unit === "B" ? n : n.toFixed(1)) + " " + unit;
    n /= 1000;
  }
  return "";
}

function stateOf(session) {
  if (session.state === "established") {
    if (session.held) return h("span", { class: "warn", title: "waits for other members' routes after our restart" }, "held");
    return session.lagging ? h("span", { class: "warn" }, "lagging") : h("span", { class: "good" }, "established");
  }
  return h("span", { class: session.state === "disabled" ? "bad" : "warn" }, session.state);
}

const sum = (session, field) => session.routes.ipv4[field] + session.routes.ipv6[field];

function memberLink(text, id, tab) {
  return link(text, ["member", id.route_server, address(id)], { tab });
}

function matches(text, words) {
  const low = text.toLowerCase();
  return words.every((word) => low.includes(word));
}

// ---- overview -------------------------------------------------------------------------------

async function overview() {
  const [status, history] = await Promise.all([ask("status"), ask("history").catch(() => null)]);
  const servers = status.route_servers.map((rs) => h("section", { class: "card" },
    h("h2", {}, link(rs.name, ["members", rs.name]), " ", h("span", { class: "dim" }, rs.kind)),
    facts([
      ["AS", rs.asn],
      ["Router ID", rs.router_id],
      ["Addresses", rs.listeners.map((l) => l.address).join(", ")],
      ["Sessions", h("span", { class: rs.sessions_established < rs.sessions_configured ? "warn" : "good" },
        rs.sessions_established + " of " + rs.sessions_configured)],
    ]),
    table([
      { title: "", cell: (r) => r.family },
      { title: "received", n: true, cell: (r) => count(r.received) },
      { title: "accepted", n: true, cell: (r) => count(r.accepted) },
      { title: "filtered", n: true, cell: (r) => count(r.filtered) },
      { title: "best", n: true, cell: (r) => count(r.best) },
    ], ["ipv4", "ipv6"].map((family) => ({ family, best: rs.destinations[family], ...rs.routes[family] })), ""),
  ));
  return [
    h("h1", {}, "Route servers"),
    status.draining && h("p", { class: "warn" }, "Draining: everything exported carries GRACEFUL_SHUTDOWN."),
    !status.last_reload_success && h("p", { class: "warn" }, "The last reload was refused; the configuration before is in force."),
    h("div", { class: "cards" }, servers),
    graphs(history),
    h("p", { class: "dim" }, "Up " + ago(status.started) + ", " + octets(status.resident_octets) + ", " +
      count(status.rpki.vrps) + " VRPs."),
  ];
}

function graphs(history) {
  if (!history || history.samples.length < 2) return null;
  const samples = history.samples;
  const times = [samples[0].at, samples[samples.length - 1].at];
  const series = [
    ["Routes received", samples.map((s) => s.received)],
    ["Routes filtered", samples.map((s) => s.filtered)],
    ["UPDATEs in a minute", rates(samples, "updates_received", history.interval_secs)],
    ["Flaps in a minute", rates(samples, "flaps", history.interval_secs)],
  ];
  return [
    h("h2", {}, "The last " + ago(samples[0].at)),
    h("div", { class: "cards" }, series.map(([title, values]) => h("figure", { class: "card" },
      h("figcaption", {}, title + ": ", h("b", {}, count(Math.round(values[values.length - 1])))), spark(values),
      h("div", { class: "axis dim" }, h("span", {}, clock(times[0])),
        h("span", {}, "at most " + count(Math.round(Math.max(...values)))), h("span", {}, clock(times[1])))))),
  ];
}

const clock = (time, to = 16) => new Date(time).toISOString().slice(11, to);

function rates(samples, field, scale) {
  return samples.map((s, i) => {
    if (i === 0) return 0;
    const secs = (Date.parse(s.at) - Date.parse(samples[i - 1].at)) / 1000;
    return secs > 0 ? Math.max(0, s[field] - samples[i - 1][field]) / secs * scale : 0;
  });
}

function spark(values) {
  const ns = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(ns, "svg");
  const most = Math.max(...values, 1);
  svg.setAttribute("viewBox", "0 0 100 30");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("class", "spark");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", "from " + count(Math.round(Math.min(...values))) + " to " + count(Math.round(most)));
  const line = document.createElementNS(ns, "polyline");
  line.setAttribute("points", values.map((v, i) =>
    (i * 100 / (values.length - 1)).toFixed(2) + "," + (29 - v * 28 / most).toFixed(2)).join(" "));
  svg.append(line);
  return svg;
}

// ---- members --------------------------------------------------------------------------------

const order = { key: "asn", down: false };

async function members(path, parameters) {
  const rs = path[0];
  const [answer, status] = await Promise.all([ask("members", { rs, page: "all" }), ask("status")]);
  const box = h("input", { type: "search", placeholder: "AS, name, state …", "aria-label": "Filter", value: parameters.get("f") || "" });
  const place = h("div");
  const keys = {
    rs: (s) => s.id.route_server, asn: (s) => s.asn, name: (s) => s.name.toLowerCase(), address: (s) => s.id.address,
    state: (s) => s.state, since: (s) => s.since, flaps: (s) => s.flaps, received: (s) => sum(s, "received"),
    accepted: (s) => sum(s, "accepted"), filtered: (s) => sum(s, "filtered"), exported: (s) => sum(s, "exported"),
  };
  const sorter = (key, title) => h("button", { type: "button", onclick: () => {
    order.down = order.key === key ? !order.down : false;
    order.key = key;
    draw();
    // The head is a new one: the keyboard stays where it was.
    [...place.querySelectorAll("th button")].find((button) => button.textContent.startsWith(title)).focus();
  } }, title + (order.key === key ? (order.down ? " ↓" : " ↑") : ""));
  function draw() {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    const of = keys[order.key];
    const sessions = answer.members
      .filter((s) => matches([s.id.route_server, "as" + s.asn, s.name, s.id.address, s.state].join(" "), words))
      .sort((a, b) => (of(a) < of(b) ? -1 : of(a) > of(b) ? 1 : 0) * (order.down ? -1 : 1));
    if (!sessions.length) {
      const sought = box.value.trim();
      place.replaceChildren(h("p", { class: "dim" }, sought ? "Nothing found for " + sought + "." : "No members."));
      return;
    }
    place.replaceChildren(
      table([
        { title: sorter("rs", "RS"), label: "RS", cell: (s) => s.id.route_server },
        { title: sorter("asn", "AS"), label: "AS", n: true, cell: (s) => s.asn },
        { title: sorter("name", "Name"), label: "Name", head: true, cell: (s) => memberLink(s.name, s.id) },
        { title: sorter("address", "Address"), label: "Address", mono: true, cell: (s) => address(s.id) },
        { title: sorter("state", "State"), label: "State", cell: stateOf },
        { title: sorter("since", "Since"), label: "Since", n: true, cell: (s) => ago(s.since) },
        { title: sorter("flaps", "Flaps"), label: "Flaps", n: true, cell: (s) => s.flaps },
        { title: sorter("received", "Received"), label: "Received", n: true, cell: (s) => count(sum(s, "received")) },
        { title: sorter("accepted", "Accepted"), label: "Accepted", n: true, cell: (s) => count(sum(s, "accepted")) },
        { title: sorter("filtered", "Filtered"), label: "Filtered", n: true, cell: (s) => {
          const n = sum(s, "filtered");
          return n ? memberLink(count(n), s.id, "filtered") : 0;
        } },
        { title: sorter("exported", "Exported"), label: "Exported", n: true, cell: (s) => count(sum(s, "exported")) },
      ], sessions),
      h("p", { class: "dim" }, sessions.length + " sessions, " +
        sessions.filter((s) => s.state === "established").length + " established"));
  }
  box.addEventListener("input", () => {
    draw();
    say(place.querySelector("p").textContent);
  });
  draw();
  const choice = (text, name, path) => h("a", { href: href(path), "aria-current": name === rs ? "page" : null }, text);
  return [
    h("h1", {}, "Members" + (rs ? " at " + rs : "")),
    h("div", { class: "row" }, box, h("button", { type: "button", class: "narrow", onclick: () => { order.down = !order.down; draw(); } }, "↕"),
      [choice("all", undefined, ["members"]), ...status.route_servers.map((s) => choice(s.name, s.name, ["members", s.name]))]),
    place,
  ];
}

async function member(path, parameters) {
  const [rs, peer] = path;
  const session = await ask("member", { peer, rs });
  const tab = parameters.get("tab") || "received";
  const agreed = session.negotiated;
  const last = session.last_notification;
  const tabs = ["received", "filtered", "exported"].map((name) =>
    h("a", { href: href(["member", rs, peer], { tab: name }), "aria-current": name === tab ? "page" : null },
      name + " " + count(sum(session, name))));
  const question = { rs };
  if (tab === "exported") question.to = peer; else question.from = peer;
  if (tab === "filtered") question.filtered = "true";
  const named = (field) => ["ipv4", "ipv6"].flatMap((family) =>
    session.routes[family][field].map(([name, n]) => family + " " + name + " " + count(n)));
  const reasons = named("filtered_by_reason");
  return [
    h("h1", {}, called(session)),
    facts([
      ["Route server", link(rs, ["members", rs])],
      ["Address", h("span", { class: "mono" }, address(session.id))],
      ["State", [stateOf(session), " for " + ago(session.since)]],
      ["Held down because", session.disabled],
      ["Held off until", session.timers.idle_hold && clock(session.timers.idle_hold, 19) + " UTC: nothing is tried or taken"],
      ["Flaps", session.flaps],
      ["Last down", session.last_down],
      ["Last NOTIFICATION", last && (last.sent ? "sent " : "received ") + last.text],
      ["BGP Identifier", agreed && agreed.router_id],
      ["Hold time", agreed && agreed.hold_time_secs + " s"],
      ["Families", agreed && agreed.families.join(", ")],
      ["Limits", ["ipv4", "ipv6"].filter((f) => session.limits[f] !== null).map((f) => f + " " + count(session.limits[f]) + dynamicLimit(session.dynamic_limits[f]))
        .concat(session.limit_total === null ? [] : ["both together " + count(session.limit_total)]).join(", ")],
      ["Messages", count(session.messages.received.update) + " UPDATEs in, " + count(session.messages.sent.update) + " out"],
      ["Filtered because", reasons.join(", ")],
      ["Marked", named("marked").join(", ")],
      ["Its capabilities", agreed && agreed.peer_capabilities.join(", ")],
    ]),
    h("div", { class: "tabs" }, tabs),
    await routesTable(question, { explain: tab === "exported" ? peer : null }),
  ];
}

const dynamicLimit = (learned) => !learned ? ""
  : learned.learning ? " (dynamic, not learned yet)" : " (dynamic, at most " + count(learned.highest) + " announced)";

// ---- routes ---------------------------------------------------------------------------------

const routeColumns = (options) => [
  { title: "", label: "Verdict", cell: (r) => r.reject ? h("span", { class: "bad", title: "rejected" }, "✗")
    : r.best ? h("span", { class: "good", title: "most preferred" }, "★") : h("span", { class: "dim", title: "accepted" }, "✓") },
  options.server && { title: "RS", cell: (r) => r.from.route_server },
  { title: "Prefix", mono: true, head: true, cell: (r) => link(r.prefix, ["search"], { q: r.prefix }) },
  { title: "From", cell: (r) => memberLink("AS" + r.from_asn, r.from) },
  { title: "Next hop", mono: true, cell: (r) => r.next_hop },
  { title: "MED", n: true, cell: (r) => r.med === null ? "" : r.med },
  { title: "Path", mono: true, wide: true, cell: (r) => r.as_path + " " + ({ igp: "i", egp: "e" }[r.origin] || "?") },
  { title: "Communities", mono: true, wide: true, cell: (r) =>
    [...r.communities, ...r.large_communities, ...r.extended_communities].join(" ") },
  { title: "Rejected because", wide: true, cell: (r) => r.reject
    ? h("span", { class: "bad", title: "code " + r.reject.code + (r.reject.euro_ix ? ", Euro-IX " + r.reject.euro_ix : "") }, r.reject.text) : "" },
  { title: "", cell: (r) => link("why?", ["explain"], { prefix: r.prefix, rs: r.from.route_server, to: options.explain }) },
].filter(Boolean);

// By route server and prefix, as rsctl lists them; of one prefix the most preferred comes first, as
// it came. A list of several pages stays in the order of the pages.
function byPrefix(routes) {
  const key = (prefix) => {
    const [address, length] = prefix.split("/");
    const hex = (n, digits) => n.toString(16).padStart(digits, "0");
    if (!address.includes(":")) return "4" + address.split(".").map((octet) => hex(+octet, 2)).join("") + hex(+length, 2);
    const [head, tail] = address.split("::").map((half) => half ? half.split(":") : []);
    const groups = tail ? [...head, ...Array(8 - head.length - tail.length).fill("0"), ...tail] : head;
    return "6" + groups.map((group) => group.padStart(4, "0")).join("") + hex(+length, 2);
  };
  const keyed = routes.map((route) => [route.from.route_server + " " + key(route.prefix), route]);
  keyed.sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0);
  return keyed.map(([, route]) => route);
}

async function routesTable(question, options = {}) {
  const place = h("div");
  async function show(page) {
    const asked = turn;
    const answer = await ask("routes", { ...question, page, per_page: PAGE });
    if (asked !== turn) return;
    if (!answer.routes.length && page === 1) {
      place.replaceChildren(h("p", { class: "dim" }, "No routes."));
      return;
    }
    const go = (to) => () => show(to).then(() => {
      // The buttons are new ones: the keyboard stays on the one that was pressed, if it can be.
      const buttons = [...place.querySelectorAll(".row button")];
      const button = buttons[to > page ? 1 : 0];
      if (button) (button.disabled ? buttons.find((other) => !other.disabled) : button)?.focus();
    }).catch(fail);
    if (place.isConnected) say("page " + page);
    place.replaceChildren(
      table(routeColumns(options), page === 1 && !answer.next_page ? byPrefix(answer.routes) : answer.routes),
      h("p", { class: "legend" }, "★ most preferred, ✓ accepted, ✗ rejected"),
      (page > 1 || answer.next_page) && h("div", { class: "row" },
        h("button", { type: "button", disabled: page === 1, onclick: go(page - 1) }, "← before"),
        h("span", { class: "dim" }, "page " + page),
        h("button", { type: "button", disabled: !answer.next_page, onclick: go(page + 1) }, "next →")) || "");
  }
  await show(1);
  return place;
}

// An AS, a community, a prefix or an address; or else the name of a member.
function understand(text) {
  const q = text.trim();
  if (/^(as)?\d+$/i.test(q)) return { origin: q };
  if (/^(rt|ro|generic):/i.test(q) || /^\d+:\d+(:\d+)?$/.test(q)) return { community: q };
  if (/^[\d.]+(\/\d+)?$/.test(q) || q.includes(":")) return { prefix: q };
  return { name: q };
}

// Sessions of the AS that was searched for, or with the address.
async function membersWith(question) {
  const asn = question.origin && Number(question.origin.replace(/^as/i, ""));
  const same = (s) => asn ? s.asn === asn : address(s.id).split("%")[0] === question.prefix;
  const found = question.community ? [] : (await ask("members", { page: "all" })).members.filter(same);
  return found.length > 0 && h("p", {}, found.length > 1 ? "Members: " : "Member: ", found.flatMap((s, i) => [
    i ? ", " : "", memberLink(called(s) + " (" + address(s.id) + ", " + s.id.route_server + ")", s.id),
  ]));
}

async function search(_, parameters) {
  const q = parameters.get("q") || "";
  const around = parameters.get("around") || "";
  searchBox.value = q;
  const question = understand(q);
  if ("name" in question) return members([], new URLSearchParams({ f: q }));
  if (question.prefix && around) question[around] = "true";
  const what = question.origin ? "Routes originated by " : question.community ? "Routes with community " : "Routes to ";
  const choice = (name, title) => h("a",
    { href: href(["search"], { q, around: name }), "aria-current": name === around ? "page" : null }, title);
  return [
    h("h1", {}, what, h("span", { class: "mono" }, q)),
    await membersWith(question),
    question.prefix && h("div", { class: "tabs" }, choice("", q.includes("/") ? "exact" : "longest match"),
      choice("covering", "less specific"), choice("covered", "more specific")),
    await routesTable(question, { server: true }),
  ];
}

// ---- explain --------------------------------------------------------------------------------

async function explain(_, parameters) {
  const { members: sessions } = await ask("members", { page: "all" });
  const prefix = parameters.get("prefix") || "";
  const to = parameters.get("to") || "";
  const rs = parameters.get("rs") || "";
  const prefixBox = h("input", { value: prefix, placeholder: "Prefix", "aria-label": "Prefix", required: true, class: "mono" });
  const select = h("select", { "aria-label": "Member", required: true },
    h("option", { value: "" }, "to which member?"),
    sessions.filter((s) => !rs || s.id.route_server === rs).map((s) => h("option", {
      value: s.id.route_server + " " + address(s.id),
      selected: s.id.route_server === rs && address(s.id) === to,
    }, s.id.route_server + ": " + called(s) + " " + address(s.id))));
  const go = (event) => {
    event.preventDefault();
    const [server, peer] = select.value.split(" ");
    if (peer) location.hash = href(["explain"], { prefix: prefixBox.value.trim(), to: peer, rs: server });
  };
  select.addEventListener("change", go);
  const form = h("form", { class: "row", onsubmit: go }, prefixBox, select, h("button", {}, "Explain"));
  const head = [h("h1", {}, "Why has a member got this route, or not?"), form];
  if (!prefix || !to) return head;
  const answer = await ask("explain", { prefix, to, rs });
  const chosen = new Set(answer.chosen);
  return [
    ...head,
    h("p", { class: "verdict " + (chosen.size ? "good" : "bad") }, answer.summary),
    answer.candidates.map((candidate, index) => candidateView(candidate, index, chosen.has(index))),
  ];
}

function candidateView(candidate, index, chosen) {
  const route = candidate.route;
  const words = { pass: ["ok", "good"], fail: ["FAIL", "bad"], skip: ["–", "dim"], note: ["note", "warn"] };
  const list = (checks) => h("ul", { class: "checks" }, checks.map((check) => {
    const [word, style] = words[check.outcome] || words.note;
    return h("li", {}, h("span", { class: style }, word), h("span", {}, check.check), h("span", { class: "dim" }, check.detail));
  }));
  // What decided, or did something, before everything that was looked at.
  const telling = candidate.checks.filter((check) => check.outcome === "fail" || check.outcome === "note");
  return h("section", { class: "candidate" + (chosen ? " chosen" : "") },
    h("h3", {}, (index + 1) + ". ", memberLink("AS" + route.from_asn, route.from), " " + address(route.from)),
    h("p", { class: "outcome " + (chosen ? "good" : route.reject ? "bad" : "warn") }, "→ " + candidate.outcome),
    telling.length ? list(telling) : "",
    facts([
      ["Path", h("span", { class: "mono" }, route.as_path)],
      ["Next hop", h("span", { class: "mono" }, route.next_hop)],
      ["MED", route.med],
      ["Communities", [...route.communities, ...route.large_communities, ...route.extended_communities].join(" ")],
      ["Unknown attributes", route.unknown.map(([, code]) => "type " + code).join(", ")],
    ]),
    h("details", {}, h("summary", {}, candidate.checks.length + " checks in order"), list(candidate.checks)));
}

// ---- who gets what --------------------------------------------------------------------------

async function matrix(path) {
  const status = await ask("status");
  const rs = path[0] || (status.route_servers[0] || {}).name;
  const choose = h("div", { class: "row" }, status.route_servers.map((s) =>
    h("a", { href: href(["matrix", s.name]), "aria-current": s.name === rs ? "page" : null }, s.name)));
  const { members, routes } = await ask("matrix", { rs });
  // What most have of each (the median): who has less of it is worth a look.
  const most = members.map((_, from) => {
    const given = routes.map((row) => row[from]).filter((_, to) => to !== from).sort((a, b) => a - b);
    return given[given.length >> 1] || 0;
  });
  const kind = (from, to) => {
    if (from === to) return "self";
    const n = routes[to][from];
    return n >= most[from] ? (n ? "full" : "empty") : n ? "part" : "none";
  };
  const view = { members, routes, kind, rs, at: { from: 0, to: 0 } };
  const place = h("div");
  const draw = () => place.replaceChildren(matrixWindow(view, draw));
  const overview = members.length > WINDOW ? heat(view, draw) : null;
  draw();
  return [
    h("h1", {}, "Who gets what at " + rs), choose,
    h("p", { class: "dim" }, "A line for each of " + members.length + " members that announce, a column for each that receives: routes exchanged."),
    h("p", { class: "legend" }, [["full", "as much as most"], ["part", "less than most"], ["none", "nothing, but most do"]]
      .map(([name, text]) => [h("span", { class: (overview ? "key " : "key cell ") + name }), text])),
    overview, place,
  ];
}

// Everything at once, a dot for each pair; the window below follows a click.
function heat(view, draw) {
  const n = view.members.length;
  const canvas = h("canvas", { class: "heat", width: n, height: n, role: "img",
    "aria-label": "All pairs of members; the table below has the numbers" });
  const said = h("p", { class: "dim mono" }, "\u00a0");
  const style = getComputedStyle(document.documentElement);
  const colours = Object.fromEntries([["full", "--full"], ["part", "--less"], ["none", "--bad"], ["empty", "--paper"], ["self", "--paper"]]
    .map(([name, variable]) => [name, style.getPropertyValue(variable).trim()]));
  const ink = canvas.getContext("2d");
  for (let from = 0; from < n; from++) {
    for (let to = 0; to < n; to++) {
      ink.fillStyle = colours[view.kind(from, to)];
      ink.fillRect(to, from, 1, 1);
    }
  }
  const pair = (event) => {
    const box = canvas.getBoundingClientRect();
    const index = (at, start, size) => Math.min(n - 1, Math.max(0, Math.floor((at - start) / size * n)));
    return [index(event.clientY, box.top, box.height), index(event.clientX, box.left, box.width)];
  };
  canvas.addEventListener("mousemove", (event) => {
    const [from, to] = pair(event);
    said.textContent = visible(count(view.routes[to][from]) + " of " + called(view.members[from]) + " at " + called(view.members[to]));
  });
  canvas.addEventListener("click", (event) => {
    const start = (index) => Math.max(0, Math.min(n - WINDOW, index - WINDOW / 2));
    const [from, to] = pair(event);
    view.at = { from: start(from), to: start(to) };
    draw();
  });
  return h("div", {}, canvas, said);
}

function matrixWindow(view, draw) {
  const { members, routes, rs, at } = view;
  const shown = (start) => members.map((member, index) => ({ member, index })).slice(start, start + WINDOW);
  const cell = (from, to) => {
    if (from === to) return "";
    const n = routes[to][from];
    if (!n) return "0";
    return h("a", { href: href(["flow", rs, address(members[from].id), address(members[to].id)]),
      title: n + " routes of " + members[from].name + " at " + members[to].name }, count(n));
  };
  const pager = (which, text) => {
    const go = (step) => () => { at[which] = Math.max(0, at[which] + step); draw(); };
    return h("span", {}, h("button", { type: "button", disabled: at[which] === 0, onclick: go(-WINDOW), "aria-label": text + ", before" }, "←"),
      " " + text + " " + (at[which] + 1) + "–" + Math.min(members.length, at[which] + WINDOW) + " ",
      h("button", { type: "button", disabled: at[which] + WINDOW >= members.length, onclick: go(WINDOW), "aria-label": text + ", next" }, "→"));
  };
  const jump = (which, text) => h("select", { "aria-label": text, onchange: (event) => {
    at[which] = Math.max(0, Math.min(members.length - WINDOW, Number(event.target.value)));
    draw();
  } }, h("option", { value: at[which] }, text), members.map((m, index) => h("option", { value: index }, called(m))));
  return h("div", {},
    members.length > WINDOW && h("div", { class: "row" }, pager("from", "announcing"), jump("from", "go to line"),
      pager("to", "receiving"), jump("to", "go to column")),
    h("div", { class: "scroll" }, h("table", { class: "matrix" },
      h("thead", {}, h("tr", {}, h("th", {}, ""), shown(at.to).map(({ member }) => h("th", { scope: "col", title: member.name }, "AS" + member.asn)))),
      h("tbody", {}, shown(at.from).map(({ member, index: from }) => h("tr", {},
        h("th", { scope: "row" }, memberLink(called(member), member.id)),
        shown(at.to).map(({ index: to }) => h("td", { class: view.kind(from, to) }, cell(from, to)))))))));
}

async function flow(path) {
  const [rs, from, to] = path;
  return [
    h("h1", {}, "Routes of " + from + " at " + to),
    h("p", {}, link("back to the matrix", ["matrix", rs])),
    await routesTable({ rs, from, to }, { explain: to }),
  ];
}

// ---- RPKI and IRR ---------------------------------------------------------------------------

async function outside() {
  const [rpki, irr] = await Promise.all([ask("rpki"), ask("irr")]);
  return [
    h("h1", {}, "RPKI and IRR"),
    h("p", {}, count(rpki.vrps) + " VRPs and " + count(rpki.aspas) + " ASPA records in force."),
    rpki.sources.length ? table([
      { title: "Source", head: true, cell: (s) => s.name },
      { title: "State", cell: (s) => h("span", { class: s.state === "failed" ? "bad" : s.active ? "good" : "" }, s.state) },
      { title: "In use", cell: (s) => s.active ? "yes" : "no" },
      { title: "Serial", n: true, cell: (s) => s.serial === null ? "–" : s.serial },
      { title: "VRPs", n: true, cell: (s) => count(s.vrps) },
      { title: "Last data", n: true, cell: (s) => ago(s.last_sync) },
      { title: "Error", wide: true, cell: (s) => s.last_error && h("span", { class: "bad" }, s.last_error) },
    ], rpki.sources) : h("p", { class: "dim" }, "No cache is configured."),
    h("h2", {}, "IRR sets"),
    irr.sets.length ? table([
      { title: "Set", head: true, cell: (s) => s.name },
      { title: "Source", cell: (s) => s.source },
      { title: "Origins", n: true, cell: (s) => count(s.asns) },
      { title: "IPv4", n: true, cell: (s) => count(s.prefixes.ipv4) },
      { title: "IPv6", n: true, cell: (s) => count(s.prefixes.ipv6) },
      { title: "Age", n: true, cell: (s) => ago(s.fetched) },
      { title: "State", cell: (s) => s.stale ? h("span", { class: "warn" }, "stale") : s.fetched ? "fresh" : h("span", { class: "bad" }, "missing") },
      { title: "Error", wide: true, cell: (s) => s.last_error && h("span", { class: "bad" }, s.last_error) },
    ], irr.sets) : h("p", { class: "dim" }, "No IRR sets are in use."),
    irr.policies.length ? h("h2", {}, "RPSL policies") : "",
    irr.policies.length ? table([
      { title: "Member", head: true, cell: (p) => "AS" + p.aut_num },
      { title: "Lines", n: true, cell: (p) => count(p.lines) },
      { title: "Age", n: true, cell: (p) => ago(p.fetched) },
      { title: "State", cell: (p) => h("span", { class: p.state === "never-fetched" ? "bad" : p.stale ? "warn" : "" }, p.state) },
      { title: "Source", cell: (p) => p.source },
      { title: "Error", wide: true, cell: (p) => p.last_error && h("span", { class: "bad" }, p.last_error) },
    ], irr.policies) : "",
  ];
}

// ---- moving about ---------------------------------------------------------------------------

const views = { "": overview, members, member, search, explain, matrix, flow, data: outside };
const within = { member: "members", flow: "matrix" };
const refreshing = new Set(["", "data"]);

// For those who hear the page: only what they asked for, and not each refresh.
function say(text) {
  // The same is not said twice, however often a refresh fails.
  if (said.textContent !== visible(text)) said.textContent = visible(text);
}

function fail(error) {
  put([h("h1", {}, "No answer"), h("p", { class: "bad" }, error.message)]);
  say("No answer: " + error.message);
}

const writesIn = (node) => /^(INPUT|SELECT|TEXTAREA)$/.test(node.tagName);
const isWriting = () => main.contains(document.activeElement) && writesIn(document.activeElement);

// What stands for a node that is made anew.
const sameAs = (node) => {
  const name = (one) => one.getAttribute("href") || one.getAttribute("aria-label") || one.textContent;
  return [...main.querySelectorAll(node.tagName)].filter((one) => name(one) === name(node));
};

// Shows something else. The keyboard stays where it was if that is there again, and in any case
// here: a link that was followed has done its work. In the same view tables stay scrolled sideways.
function put(content, again) {
  const focused = document.activeElement;
  const inside = focused !== main && main.contains(focused);
  const which = inside ? sameAs(focused).indexOf(focused) : 0;
  const aside = again ? [...main.querySelectorAll(".scroll")].map((box) => box.scrollLeft) : [];
  main.replaceChildren(h("div", {}, content));
  const boxes = main.querySelectorAll(".scroll");
  aside.forEach((left, index) => { if (boxes[index]) boxes[index].scrollLeft = left; });
  if (!inside) return;
  const same = again || focused.tagName !== "A" ? sameAs(focused) : [];
  (same[which] || same[0] || main).focus({ preventScroll: true });
}

// Asks again after a while. Nobody is interrupted who writes something.
function comeBack() {
  clearTimeout(timer);
  if (refreshing.has(shown)) timer = setTimeout(refresh, REFRESH_MS);
}

function refresh() {
  if (document.hidden || !refreshing.has(shown)) return;
  if (isWriting()) comeBack(); else show(true);
}

async function show(again) {
  const mine = ++turn;
  // Whoever changes it is told so later: an answer in between is still one to this.
  const asked = location.hash;
  clearTimeout(timer);
  shown = "";
  try {
    const [where, query] = asked.replace(/^#\/?/, "").split("?");
    const [first, ...path] = where.split("/").map(decodeURIComponent);
    shown = Object.hasOwn(views, first) ? first : "";
    for (const a of document.querySelectorAll("#nav a")) {
      const target = a.getAttribute("href").slice(2);
      if (target === (within[shown] || shown)) a.setAttribute("aria-current", "page");
      else a.removeAttribute("aria-current");
    }
    if (!again && shown !== "search" && document.activeElement !== searchBox) searchBox.value = "";
    const content = await views[shown](path, new URLSearchParams(query || ""));
    if (mine !== turn) return;
    // Who began to write meanwhile goes on.
    if (again && isWriting()) return comeBack();
    put(content, again);
    const title = main.querySelector("h1");
    document.title = (title ? title.textContent + " – " : "") + brand.textContent;
    if (!again) {
      if (title) say(title.textContent);
      window.scrollTo(0, 0);
    }
  } catch (error) {
    if (mine !== turn) return;
    fail(error);
  }
  foot.replaceChildren(h("span", { class: "keys" }, "Keys: / search, 1 to 5 views, Tab and Enter the rest. "),
    "As of " + new Date().toISOString().replace("T", " ").slice(0, 19) + " UTC");
  // For whoever drives the page: this view is the one that is shown.
  document.body.dataset.shown = asked;
  comeBack();
}

document.getElementById("search").addEventListener("submit", (event) => {
  event.preventDefault();
  if (searchBox.value.trim()) location.hash = href(["search"], { q: searchBox.value.trim() });
});

document.addEventListener("keydown", (event) => {
  const typing = writesIn(document.activeElement);
  const nav = document.querySelectorAll("#nav a");
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (!typing && nav[event.key - 1]) {
    nav[event.key - 1].click();
  } else if (event.key === "/" && !typing) {
    event.preventDefault();
    searchBox.focus();
    searchBox.select();
  } else if (event.key === "Escape" && typing) {
    document.activeElement.blur();
  }
});

// Its target is no view.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
document.addEventListener("visibilitychange", refresh);
window.addEventListener("hashchange", () => show(false));

// Whose looking glass it is; the page does without while nobody says.
ask("status").then((status) => {
  brand.textContent = visible(status.exchange) + " looking glass";
  document.title = document.title.replace(/Looking glass$/, brand.textContent);
}).catch(() => {});
show(false);

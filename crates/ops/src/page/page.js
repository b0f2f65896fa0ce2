// Shows what /ops/v1 says. Connections and events come by the live feed; sums and transfers are
// asked for. Whatever comes from outside is put in as text, never as markup.

import { secured, showHold, showRoundTrips, takeActs } from "./links.js";
import { showParked } from "./parked.js";
import { beginSearch } from "./search.js";
import { ANSWER_WITHIN_MS, ask, byId, element, keyed, now, say, setPresent, show, slot, stamped } from "./tools.js";
import { clock, day, duration, money, plain, roundTrip } from "./words.js";

const SHOWN_EVENTS = 60;
const SHOWN_MOVING = 8;
const ASK_EVERY_MS = 2000;
const LIST_EVERY_MS = 8000;

const COUNTS = {
  sign_ons: "sessions opened",
  drops: "sessions lost",
  sent: "requests sent",
  answered: "answered",
  timed_out: "without answer in time",
  late: "late answers",
  unmatched: "answers nobody waited for",
  malformed: "unreadable",
  unreadable_labels: "labels unreadable",
  unreadable_words: "words unreadable",
  unreadable_serials: "counter's numbers unreadable",
  unreadable_times: "entry times unreadable",
  busy: "refused, queue full",
  unmatched_dropped: "unasked and not taken",
};

const trouble = new Map();
let lastFed = Date.now();
let lastAnswered = Date.now();
let source = null;
let counters = [];
let summary = null;

// Whether what is seen is true.

/** Says what is wrong, or with no words that it is right again. */
function wrong(what, words) {
  if (words) trouble.set(what, words);
  else trouble.delete(what);
  show(byId("wrong"), [...trouble.values()].join(" "));
  document.body.classList.toggle("stale", trouble.has("feed") || trouble.has("answers"));
}

// The live feed.

function follow() {
  source = new EventSource("/ops/v1/events");
  const feed = byId("feed");
  source.onopen = () => {
    lastFed = Date.now();
    say(feed, "live");
    feed.dataset.tone = "good";
    wrong("feed", null);
  };
  source.onerror = () => {
    say(feed, "interrupted");
    feed.dataset.tone = "bad";
    wrong("feed", `The live feed is interrupted; reconnecting. Connections are shown as of ${clock(lastFed, Date.now())}.`);
    // A refused feed is not tried again by the browser itself.
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, 3000);
  };
  const on = (name, take) =>
    source.addEventListener(name, (event) => {
      lastFed = Date.now();
      take(JSON.parse(event.data));
    });
  on("counters", (all) => {
    counters = all;
    showCounters();
  });
  on("link", (event) => addEvent("link", event, false));
  on("transfer", (event) => {
    addEvent("transfer", event, ["needs_operator", "contradiction"].includes(event.kind));
    soon();
  });
  on("lagged", (event) => {
    if (event.source === "bridge") {
      byId("events").replaceChildren();
      seen.clear();
    }
    addEvent("lagged", { at: now() * 1000, text: lagged(event) }, true);
    soon();
  });
}

const lagged = (event) => (event.missed ? `${event.text}: ${event.missed}` : event.text);

// Connections.

function showCounters() {
  byId("no-counters").hidden = counters.length > 0;
  keyed(byId("counters"), counters, (c) => c.counter, counterCard, updateCounter);
}

function counterCard(counter) {
  const card = stamped("counter-card");
  card.setAttribute("aria-label", counter.counter);
  const list = slot(card, "counts");
  for (const [name, words] of Object.entries(COUNTS)) {
    const row = element("div");
    const value = element("dd");
    value.dataset.count = name;
    row.append(element("dt", words), value);
    list.append(row);
  }
  slot(card, "again").addEventListener("click", () => tryAgain(card));
  takeActs(card);
  return card;
}

function updateCounter(card, counter) {
  if (card.dataset.health && card.dataset.health !== counter.health) {
    say(byId("announcements"), `${counter.counter} is ${counter.health_text}`);
  }
  card.dataset.health = counter.health;
  say(slot(card, "name"), counter.counter);
  say(slot(card, "health"), counter.health_text);
  say(slot(card, "in-flight"), String(counter.in_flight));
  say(slot(card, "queued"), String(counter.queued));
  const open = counter.open ? "open for postings" : "closed for postings";
  say(slot(card, "day"), counter.settle_day === null ? day(null) : `${day(counter.settle_day)}, ${open}`);
  const { held, faults } = counter;
  if (held && card.dataset.held !== held.why) say(byId("announcements"), `${counter.counter} gets no new transfers`);
  card.dataset.held = held ? held.why : "";
  show(slot(card, "held"), held ? `Gets no new transfers since ${clock(held.since / 1000, now())}: ${held.why}` : "");
  show(slot(card, "held-to-do"), held ? held.to_do : "");
  show(slot(card, "faults"), (faults && faults.text) || "");
  showHold(card, counter);
  for (const value of card.querySelectorAll("[data-count]")) {
    say(value, String(counter.counts[value.dataset.count] ?? 0));
  }
  const several = counter.connections.length > 1;
  keyed(slot(card, "connections"), counter.connections, (c) => c.channel, () => stamped("connection-row"),
    (row, connection) => updateConnection(row, connection, several));
  const has = (state) => counter.connections.some((connection) => connection.state === state);
  const again = has("held") ? "Try again, though it was rejected" : has("backing_off") ? "Try again now" : "";
  show(slot(card, "again"), again);
}

function updateConnection(row, link, several) {
  const since = (micros) => duration((now() - micros / 1000) / 1000);
  const wait = link.next_attempt_at === null ? null : (link.next_attempt_at / 1000 - now()) / 1000;
  const due = wait === null ? "" : wait > 0 ? `in ${duration(wait + 1)}` : "now";
  show(slot(row, "title"), several ? `Connection ${link.channel + 1}` : "");
  say(slot(row, "state"), link.state_text);
  say(slot(row, "since"), `${clock(link.since / 1000, now())} (${since(link.since)})`);
  say(slot(row, "address"), link.address || "not tried yet");
  say(slot(row, "security"), secured(link.tls));
  say(slot(row, "round-trip"), roundTrip(link.round_trip_us));
  showRoundTrips(slot(row, "round-trips"), link.round_trips_us || []);
  say(slot(row, "heard"), link.heard_at === null ? "nothing" : `${since(link.heard_at)} ago`);
  const lost = link.state === "up" ? "Last lost: " : "";
  show(slot(row, "trouble"), link.last_cause ? lost + link.last_cause : "");
  show(slot(row, "next"), due && `Attempt ${link.attempt + 1} ${due}`);
  const failed = (link.addresses || []).filter((address) => address.failures > 0);
  keyed(slot(row, "addresses"), failed.length > 1 ? failed : [], (a) => a.address, () => element("li"), (item, address) => {
    say(item, `${address.address}: failed ${address.failures}×: ${address.last_error || ""}`);
  });
}

async function tryAgain(card) {
  const path = `/ops/v1/counters/${encodeURIComponent(card.dataset.key)}/reconnect`;
  const answer = slot(card, "answer");
  try {
    const response = await fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    const said = await response.json();
    say(answer, response.ok ? "Asked." : said.detail || said.title);
  } catch (error) {
    say(answer, `Not asked: ${error.message}`);
  }
  setTimeout(() => say(answer, ""), 5000);
}

// Sums and transfers.

let askingTo = 0;
let listDue = 0;

/** Asks for the lists at the next turn. */
function soon() {
  listDue = 0;
}

async function refresh() {
  if (document.hidden && summary) return;
  try {
    const answer = await ask("/ops/v1/summary");
    setPresent(answer.now / 1000);
    summary = answer;
    lastAnswered = Date.now();
    if (Date.now() >= listDue) {
      const [all, needs, proposed, open, door] = await Promise.all([
        ask("/ops/v1/counters"),
        ask("/ops/v1/transfers?state=needs_operator&limit=50&trail=false"),
        ask("/ops/v1/proposals?limit=50"),
        ask("/ops/v1/transfers?limit=100&trail=false"),
        ask("/ops/v1/strangers"),
      ]);
      listDue = Date.now() + LIST_EVERY_MS;
      counters = all;
      showCounters();
      showParked(needs, proposed.transfers);
      showMoving(open.transfers);
      showStrangers(door);
    }
    showSummary();
    wrong("answers", null);
  } catch (error) {
    wrong("answers", `The bridge does not answer (${error.message}). Money and transfers are shown as of ${clock(lastAnswered, Date.now())}.`);
  }
}

function showSummary() {
  const failing = summary.journal.health === "failing";
  const journal = byId("journal");
  say(journal, failing ? "does not record" : "records");
  journal.dataset.tone = failing ? "bad" : "good";
  wrong("journal", failing ? `The database does not record (${summary.journal.why}): new transfers are refused.` : null);
  const behind = summary.record.standing === "behind";
  wrong("record", behind ? `The record is behind (${summary.record.why}): nothing that moves money is sent until it is released. What to do: docs/operating.md.` : null);
  say(byId("open"), String(summary.open));
  const sums = Object.entries(summary.in_transit);
  keyed(byId("sums"), sums.length ? sums : [["", 0]], ([currency]) => currency, () => element("li"), (node, [currency, minor]) => {
    say(node, currency ? money(minor, currency) : "none");
  });
  keyed(byId("states"), Object.entries(summary.by_state), ([state]) => state, ([state]) => element("li", undefined, state), (node, [state, count]) => {
    say(node, `${count} ${plain(state)}`);
  });
}

function showMoving(transfers) {
  const moving = transfers.filter((transfer) => transfer.in_transit > 0).slice(0, SHOWN_MOVING);
  keyed(byId("moving"), moving, (t) => t.master_serial, threeLines, (node, transfer) => {
    node.dataset.at = transfer.created_at;
    say(slot(node, "head"), `${transfer.master_serial} · ${money(transfer.in_transit, transfer.currency)}`);
    say(slot(node, "next"), transfer.next || plain(transfer.state));
  });
}

function threeLines() {
  const item = element("li");
  for (const name of ["head", "next", "age"]) {
    const part = element("span", undefined, name);
    part.dataset.slot = name;
    item.append(part);
  }
  return item;
}

// Who dialled in and was not let in.

function showStrangers({ strangers, refused }) {
  byId("door").hidden = refused === 0;
  say(byId("refused"), String(refused));
  keyed(byId("strangers"), strangers, (s) => `${s.address} ${s.why} ${s.counter}`, threeLines, (node, stranger) => {
    const as = stranger.counter === null ? "" : ` as ${stranger.counter}`;
    const times = stranger.times === 1 ? "once" : `${stranger.times} times, last`;
    say(slot(node, "head"), stranger.address + as);
    say(slot(node, "next"), stranger.cause);
    say(slot(node, "age"), `${times} at ${clock(stranger.last_at / 1000, now())}`);
  });
}

// Events, the newest first.

const seen = new Set();

function addEvent(kind, event, urgent) {
  const key = event.number === undefined ? null : `${kind} ${event.number}`;
  if (key && seen.has(key)) return;
  if (key) seen.add(key);
  const list = byId("events");
  byId("no-events").hidden = true;
  const item = element("li", undefined, urgent ? "urgent" : "");
  item.dataset.at = String(event.at);
  const about = event.transfer ? `${event.transfer}: ` : "";
  item.append(element("time", clock(event.at / 1000, now())), element("span", `${about}${event.text}`));
  // Two rings are told one after the other: put each event where its time belongs.
  let before = list.firstElementChild;
  while (before && Number(before.dataset.at) > event.at) before = before.nextElementSibling;
  list.insertBefore(item, before);
  while (list.children.length > SHOWN_EVENTS) list.lastElementChild.remove();
  if (seen.size > 4096) seen.clear();
}

// Ages and countdowns.

function tick() {
  for (const card of byId("counters").children) {
    const counter = counters.find((c) => c.counter === card.dataset.key);
    if (counter) updateCounter(card, counter);
  }
  const age = (at) => duration((now() - Date.parse(at)) / 1000);
  for (const card of byId("parked").children) {
    say(slot(card, "age"), `${age(card.dataset.at)} old`);
    say(slot(card, "updated"), `${age(card.dataset.updated)} ago`);
  }
  for (const item of byId("moving").children) {
    say(slot(item, "age"), `${age(item.dataset.at)} old`);
  }
  if (!summary) return;
  const since = (micros) => duration((now() - micros / 1000) / 1000);
  say(byId("uptime"), since(summary.started_at));
  const oldest = summary.oldest_in_transit_at;
  say(byId("oldest"), oldest === null ? "" : `The oldest was accepted ${since(oldest)} ago.`);
}

async function run() {
  await refresh();
  tick();
  clearTimeout(askingTo);
  askingTo = setTimeout(run, ASK_EVERY_MS);
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) run();
});
document.addEventListener("look", () => {
  soon();
  run();
});
follow();
run();
setInterval(tick, 1000);

// Who is signed in.

async function showWho() {
  try {
    const { name, role } = await ask("/ops/v1/session");
    say(byId("who"), `${name}, ${role}`);
  } catch {
    // Whatever is wrong, the lists say it.
  }
}

byId("leave").addEventListener("click", async () => {
  const response = await fetch("/ops/v1/session", {
    method: "DELETE",
    headers: { "content-type": "application/json" },
    signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
  }).catch(() => null);
  if (response?.ok || response?.status === 401) location.assign("/sign-in");
  else wrong("leave", "The bridge could not end your session now: try again in a moment.");
});

beginSearch();
showWho();

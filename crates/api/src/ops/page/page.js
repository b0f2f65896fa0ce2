// Shows what /ops/v1 says. Connections and events come by the live feed; sums and transfers are
// asked for. Whatever comes from outside is put in as text, never as markup.

import { clock, day, duration, money, place, plain, roundTrip } from "./words.js";

const SHOWN_EVENTS = 60;
const SHOWN_MOVING = 8;
const ASK_EVERY_MS = 2000;
const ANSWER_WITHIN_MS = 5000;
const LIST_EVERY_MS = 8000;

const DECISIONS = {
  completed: "both legs are done",
  reversed: "the debit was undone, or its money was given back",
  refused: "no money moved",
  resume: "go on by the rules, with fresh patience",
};
const COUNTS = {
  sign_ons: "sessions opened",
  drops: "sessions lost",
  sent: "requests sent",
  answered: "answered",
  timed_out: "without answer in time",
  late: "late answers",
  unmatched: "answers nobody waited for",
  malformed: "unreadable",
  busy: "refused, queue full",
  unmatched_dropped: "unasked and not taken",
};

const byId = (id) => document.getElementById(id);
const trouble = new Map();
let ahead = 0;
let lastNews = Date.now();
let source = null;
let counters = [];
let parked = [];
let summary = null;

/** The server's present, in milliseconds; its clock is what ages are counted by. */
const now = () => Date.now() + ahead;

// Small tools: text only where it differs, so that nothing flickers and selections stay.

function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function show(node, text) {
  const hidden = !text;
  if (node.hidden !== hidden) node.hidden = hidden;
  say(node, text || "");
}

function element(name, text, className) {
  const node = document.createElement(name);
  if (text !== undefined) node.textContent = text;
  if (className) node.className = className;
  return node;
}

const slot = (node, name) => node.querySelector(`[data-slot="${name}"]`);

/** Makes the children of `list` be those of `items`, each kept for as long as its key is there. */
function keyed(list, items, keyOf, make, update) {
  const old = new Map([...list.children].map((child) => [child.dataset.key, child]));
  let before = list.firstElementChild;
  for (const item of items) {
    const key = String(keyOf(item));
    let node = old.get(key);
    if (node) {
      old.delete(key);
    } else {
      node = make(item);
      node.dataset.key = key;
    }
    if (node === before) before = before.nextElementSibling;
    else list.insertBefore(node, before);
    update(node, item);
  }
  for (const gone of old.values()) gone.remove();
}

const stamped = (id) => byId(id).content.firstElementChild.cloneNode(true);

// Whether what is seen is true.

function interrupted(what, why) {
  if (why) trouble.set(what, why);
  else trouble.delete(what);
  const banner = byId("interrupted");
  const text = trouble.size
    ? `${[...trouble.values()].join(" ")} What is shown is from ${clock(lastNews, Date.now())}.`
    : "";
  show(banner, text);
  document.body.classList.toggle("stale", trouble.size > 0);
}

function news() {
  lastNews = Date.now();
}

// The live feed.

function follow() {
  source = new EventSource("/ops/v1/events");
  const feed = byId("feed");
  source.onopen = () => {
    news();
    say(feed, "live");
    feed.dataset.tone = "good";
    interrupted("feed", null);
  };
  source.onerror = () => {
    say(feed, "interrupted");
    feed.dataset.tone = "bad";
    interrupted("feed", "The live feed is interrupted; reconnecting.");
    // A refused feed is not tried again by the browser itself.
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, 3000);
  };
  const on = (name, take) =>
    source.addEventListener(name, (event) => {
      news();
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
  return card;
}

function updateCounter(card, counter) {
  const link = counter.connections[0];
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
  for (const value of card.querySelectorAll("[data-count]")) {
    say(value, String(counter.counts[value.dataset.count] ?? 0));
  }
  if (!link) return;
  say(slot(card, "state"), link.state_text);
  say(slot(card, "since"), `${clock(link.since / 1000, now())} (${duration((now() - link.since / 1000) / 1000)})`);
  say(slot(card, "address"), link.address || "not tried yet");
  say(slot(card, "round-trip"), roundTrip(link.round_trip_us));
  say(slot(card, "heard"), link.heard_at === null ? "nothing" : `${duration((now() - link.heard_at / 1000) / 1000)} ago`);
  const cause = link.last_cause && (link.state === "up" ? `Last lost: ${link.last_cause}` : link.last_cause);
  show(slot(card, "trouble"), cause || "");
  const wait = link.next_attempt_at === null ? null : (link.next_attempt_at / 1000 - now()) / 1000;
  const due = wait === null ? "" : wait > 0 ? `in ${duration(wait + 1)}` : "now";
  show(slot(card, "next"), due && `Attempt ${link.attempt + 1} ${due}`);
  const again = { backing_off: ["reconnect", "Try again now"], held: ["release", "Release and try again"] }[link.state];
  const button = slot(card, "again");
  button.dataset.action = again ? again[0] : "";
  show(button, again ? again[1] : "");
}

async function tryAgain(card) {
  const { action } = slot(card, "again").dataset;
  const path = `/ops/v1/counters/${encodeURIComponent(card.dataset.key)}/${action}`;
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

async function ask(path) {
  const response = await fetch(path, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}));
    throw new Error(problem.detail || problem.title || `status ${response.status}`);
  }
  return response.json();
}

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
    ahead = answer.now / 1000 - Date.now();
    summary = answer;
    news();
    if (Date.now() >= listDue) {
      const [needs, open] = await Promise.all([
        ask("/ops/v1/transfers?state=needs_operator&limit=50&trail=false"),
        ask("/ops/v1/transfers?limit=100&trail=false"),
      ]);
      listDue = Date.now() + LIST_EVERY_MS;
      showParked(needs);
      showMoving(open.transfers);
    }
    showSummary();
    interrupted("answers", null);
  } catch (error) {
    interrupted("answers", `The bridge does not answer (${error.message}).`);
  }
}

function showSummary() {
  const failing = summary.journal.health === "failing";
  const journal = byId("journal");
  say(journal, failing ? "does not record" : "records");
  journal.dataset.tone = failing ? "bad" : "good";
  interrupted("journal", failing ? `The database does not record: ${summary.journal.why}.` : null);
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
  keyed(byId("moving"), moving, (t) => t.master_serial, () => {
    const item = element("li");
    for (const name of ["head", "next", "age"]) {
      const part = element("span", undefined, name);
      part.dataset.slot = name;
      item.append(part);
    }
    return item;
  }, (node, transfer) => {
    node.dataset.at = transfer.created_at;
    say(slot(node, "head"), `${transfer.master_serial} · ${money(transfer.in_transit, transfer.currency)}`);
    say(slot(node, "next"), transfer.next || plain(transfer.state));
  });
}

// Transfers that need a person.

function showParked({ transfers, total }) {
  if (total > parked.length && summary) {
    say(byId("announcements"), `${total} transfers need a person`);
  }
  parked = transfers;
  const count = byId("needs-count");
  show(count, total ? String(total) : "");
  byId("no-parked").hidden = total > 0;
  document.title = total ? `(${total}) counter-bridge` : "counter-bridge";
  keyed(byId("parked"), transfers, (t) => t.master_serial, parkedCard, updateParked);
}

function parkedCard(transfer) {
  const card = stamped("parked-card");
  card.setAttribute("aria-label", `transfer ${transfer.master_serial}`);
  const history = slot(card, "history");
  history.addEventListener("toggle", () => {
    if (history.open) showTrail(card, transfer.master_serial);
  });
  return card;
}

function updateParked(card, transfer) {
  say(slot(card, "serial"), transfer.master_serial);
  say(slot(card, "amount"), money(transfer.amount, transfer.currency));
  say(slot(card, "from"), place(transfer.from));
  say(slot(card, "to"), place(transfer.to));
  say(slot(card, "reason"), transfer.reason || "");
  say(slot(card, "app"), transfer.app);
  card.dataset.at = transfer.created_at;
  card.dataset.updated = transfer.updated_at;
  keyed(slot(card, "legs"), transfer.legs, (leg) => leg.role, legRow, updateLeg);
  keyed(slot(card, "choices"), transfer.decisions, (choice) => choice.decision, (choice) => choiceItem(transfer, choice), updateChoice);
}

const LEG_CELLS = ["Leg", "At", "Known", "The counter's answer", "Counter serial", "Sent"];

function legRow() {
  const row = element("tr");
  LEG_CELLS.forEach((label, index) => {
    const cell = element(index ? "td" : "th");
    if (!index) cell.scope = "row";
    cell.dataset.label = label;
    row.append(cell);
  });
  return row;
}

function updateLeg(row, leg) {
  const answer = leg.answer ? `${leg.answer.code} ${leg.answer.text}`.trim() : "none";
  const fruitless = leg.fruitless ? `, ${leg.fruitless} fruitless rounds` : "";
  const texts = [
    `${leg.role} ${leg.sub_serial}`,
    `${leg.counter} ${leg.account}`,
    plain(leg.knowledge),
    answer,
    leg.counter_serial || "none",
    `${leg.sent} times${fruitless}`,
  ];
  texts.forEach((text, index) => say(row.cells[index], text));
  row.dataset.knowledge = leg.knowledge;
}

function choiceItem(transfer, choice) {
  const item = element("li");
  const command = `counter-bridge resolve ${transfer.master_serial} ${choice.decision} --who NAME --note "…"${elsewhere()}`;
  const meaning = element("span", `${choice.decision}: ${DECISIONS[choice.decision] || ""}`, "meaning");
  const line = element("span", undefined, "line");
  const code = element("code", command);
  const copy = element("button", "Copy");
  copy.type = "button";
  copy.setAttribute("aria-label", `Copy the command for ${choice.decision}`);
  copy.addEventListener("click", () => copyText(code, copy));
  line.append(code, copy);
  const why = element("span", undefined, "hint");
  why.dataset.slot = "why-not";
  item.append(meaning, line, why);
  return item;
}

function updateChoice(item, choice) {
  item.classList.toggle("illegal", !choice.allowed);
  item.querySelector(".line").hidden = !choice.allowed;
  show(slot(item, "why-not"), choice.allowed ? "" : `not possible: ${choice.why_not}`);
}

/** The option that names this listener, where it is not the usual one. */
function elsewhere() {
  return location.host === "127.0.0.1:8081" ? "" : ` --operators ${location.origin}`;
}

async function copyText(code, button) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    say(button, "Copied");
  } catch {
    getSelection().selectAllChildren(code);
    say(button, "Selected");
  }
  setTimeout(() => say(button, "Copy"), 2000);
}

async function showTrail(card, serial) {
  const list = slot(card, "trail");
  try {
    const transfer = await ask(`/ops/v1/transfers/${serial}`);
    const entries = transfer.trail || [];
    list.replaceChildren(...entries.map(trailItem));
    if (!entries.length) list.append(element("li", "The database does not show it now."));
  } catch (error) {
    list.replaceChildren(element("li", `It cannot be shown: ${error.message}`));
  }
}

function trailItem(entry) {
  const item = element("li");
  const at = entry.at ? clock(Date.parse(entry.at), now()) : "";
  const leg = entry.leg ? ` (${entry.leg.role}: ${plain(entry.leg.knowledge)})` : "";
  item.append(element("time", at), element("span", `${entry.event}${leg}`), element("span", plain(entry.state), "hint"));
  return item;
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
follow();
run();
setInterval(tick, 1000);

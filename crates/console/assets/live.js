// Keeps a page as the bridge stands. What is shown is rendered by the bridge, always; events only say that something has
// changed, and then the same page is asked for again. So an event that was lost leaves nothing stale, and nothing that
// somebody is typing is taken away.

const PAUSE_MS = 400;
const EVERY_MS = 5000;
// Pages on walls and in forgotten windows: numbers on them are as old, what has changed shows as soon as elsewhere.
const UNTOUCHED_MS = 15_000;
const SELDOM_MS = 30_000;
const ANSWER_WITHIN_MS = 8000;
// A page that nobody touches keeps no session alive by what it asks by itself.
const TOUCHED_MS = 60_000;

let touched = Date.now();
const isTouched = () => Date.now() - touched < TOUCHED_MS;
for (const kind of ["pointerdown", "pointermove", "keydown"]) {
  addEventListener(kind, () => {
    touched = Date.now();
    if (IS_LIVE) due = Math.min(due, askedAt + EVERY_MS);
  }, { passive: true });
}

let shownAt = Date.now();
let askedAt = 0;
let due = 0;
let isAsking = false;
const byId = (id) => document.getElementById(id);

// Where this page is looked at again: what a form was answered with stands at the form's address.
const HERE = document.body.dataset.here;
const IS_LIVE = document.querySelector("main [data-live]") !== null;

/** Times as this browser's user reads them. */
function localTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const hours = at.toLocaleTimeString("en-GB");
    const isToday = at.toDateString() === new Date().toDateString();
    const text = isToday ? hours : `${at.toLocaleDateString("sv-SE")} ${hours}`;
    time.title = time.dateTime;
    time.textContent = text;
  }
}

/** What somebody is at, to find it again among what has come in its place. */
const nameOf = (element) => element.id || element.getAttribute("href") || element.textContent;

/** Puts what the bridge shows now in the place of what was shown; what is open stays open. Whether it did: what somebody
 * has marked stays, to be copied. */
function take(part, fresh) {
  localTimes(fresh);
  const open = new Set([...part.querySelectorAll("details[open][id]")].map((details) => details.id));
  for (const details of fresh.querySelectorAll("details[id]")) details.open = open.has(details.id);
  if (part.isEqualNode(fresh)) return true;
  const chosen = getSelection();
  if (!chosen.isCollapsed && chosen.containsNode(part, true)) return false;
  const at = part.contains(document.activeElement) ? nameOf(document.activeElement) : null;
  part.className = fresh.className;
  part.replaceChildren(...fresh.childNodes);
  if (at !== null) {
    const same = [...part.querySelectorAll("a, button, summary")].find((one) => nameOf(one) === at);
    (same ?? byId("main")).focus();
  }
  return true;
}

/** What somebody has begun to fill in, or is at, stays. Whether it is as the bridge stands. */
function takeForms(room, fresh) {
  if (room.dataset.seen === fresh.dataset.seen) return true;
  const isChanged = (one) => one.value !== one.defaultValue || one.checked !== one.defaultChecked;
  const fields = [...room.querySelectorAll("textarea, input:not([type=hidden])")];
  const isKept = byId("said")?.dataset.tone === "bad" && fields.some((one) => one.type !== "checkbox" && one.type !== "radio" && one.value !== "");
  if (isKept || room.contains(document.activeElement) || fields.some(isChanged)) return false;
  localTimes(fresh);
  room.replaceWith(document.adoptNode(fresh));
  return true;
}

/** Whether something is typed on this page that would be lost with it. */
const isTyped = () => [...document.querySelectorAll("textarea, main input:not([type=hidden])")].some((one) => one.value !== one.defaultValue);

async function look() {
  if (isAsking || document.hidden || !HERE) return;
  isAsking = true;
  askedAt = Date.now();
  for (const kind of [STANDINGS, EVENTS]) kind.pause = Math.min(2 * kind.pause, EVERY_MS);
  due = askedAt + (!IS_LIVE ? SELDOM_MS : isTouched() ? EVERY_MS : UNTOUCHED_MS);
  try {
    const headers = isTouched() ? {} : { "x-background": "1" };
    const response = await fetch(HERE, { headers, signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
    if (response.redirected) {
      if (isTyped()) byId("out").hidden = false;
      else location.assign(response.url);
      return;
    }
    if (!response.ok) throw new Error(`status ${response.status}`);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const said = byId("announce")?.textContent.trim();
    const fresh = (part) => page.getElementById(part.id);
    const parts = [...document.querySelectorAll("[data-live][id]")].filter(fresh);
    const areTaken = parts.map((part) => take(part, fresh(part))).every(Boolean);
    // Nobody decides by a version whose evidence is not shown.
    const rooms = areTaken ? [...document.querySelectorAll("[data-seen][id]")].filter(fresh) : [];
    const areCurrent = rooms.map((room) => takeForms(room, fresh(room))).every(Boolean);
    byId("moved").hidden = areTaken && areCurrent;
    document.title = page.title;
    const now = byId("announce")?.textContent.trim();
    if (now && now !== said) byId("announcements").textContent = now;
    shownAt = Date.now();
    byId("cut").hidden = true;
  } catch {
    byId("as-of").textContent = new Date(shownAt).toLocaleTimeString("en-GB");
    byId("cut").hidden = false;
  } finally {
    document.body.classList.toggle("stale", !byId("cut").hidden);
    isAsking = false;
  }
}

/** Asks soon, once for however many events there are; a page on which nothing changes by itself is left alone. */
function soon(after = PAUSE_MS) {
  if (IS_LIVE) due = Math.min(due, Math.max(Date.now(), askedAt + after));
}

// What goes on and on is shown the more seldom, for all browsers ask whenever there is any of it; each kind by itself, so that
// a storm of one hides nothing of the other.
const STANDINGS = { pause: PAUSE_MS, at: 0 };
const EVENTS = { pause: PAUSE_MS, at: 0 };

/** The same for one of many of a kind. */
function soonForOneOf(kind) {
  if (Date.now() - kind.at >= EVERY_MS) kind.pause = PAUSE_MS;
  kind.at = Date.now();
  soon(kind.pause);
}

// What of a counter is counted or measured, and is another with every message.
const NUMBERS = new Set(["queued", "in_flight", "counts", "heard_at", "round_trip_us", "round_trips_us"]);
const standingOf = (counters) => JSON.stringify(counters, (name, value) => (NUMBERS.has(name) ? undefined : value));

const seen = new Set();

/** Adds an event where its time belongs: two rings are told one after the other. */
function addEvent(event, isUrgent) {
  const list = byId("events");
  if (!list || seen.has(event.key)) return;
  seen.add(event.key);
  const item = document.createElement("li");
  item.dataset.at = event.at;
  if (isUrgent) item.className = "urgent";
  const time = document.createElement("time");
  time.dateTime = new Date(event.at / 1000).toISOString();
  const text = document.createElement("span");
  text.textContent = visible(event.text);
  if (event.transfer) {
    const link = document.createElement("a");
    link.href = `/transfers/${event.transfer}`;
    link.className = "code";
    link.textContent = event.transfer;
    text.prepend(link, " ");
  }
  item.append(time, text);
  localTimes(item);
  let before = list.firstElementChild;
  while (before && Number(before.dataset.at) > event.at) before = before.nextElementSibling;
  list.insertBefore(item, before);
  while (list.children.length > Number(list.dataset.most)) list.lastElementChild.remove();
  if (seen.size > 4096) seen.clear();
}

// Control characters, marks of direction and what else nobody sees: the table of the crate `foreign`.
const UNSEEN =
  /[\u{0}-\u{1f}\u{7f}-\u{9f}\u{ad}\u{61c}\u{180e}\u{200b}-\u{200f}\u{2028}-\u{202e}\u{2060}-\u{206f}\u{feff}\u{fff9}-\u{fffb}\u{e0000}-\u{e007f}]/gu;
const SHORT = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };
const escaped = (letter) =>
  [...Array(letter.length).keys()].map((at) => `\\u${letter.charCodeAt(at).toString(16).padStart(4, "0")}`).join("");
const visible = (text) => text.replace(UNSEEN, (letter) => SHORT[letter] ?? escaped(letter));

let standing = "";

function follow() {
  // In the language of the page.
  const source = new EventSource(document.body.dataset.events ?? "/ops/v1/events");
  const feed = byId("feed");
  const tell = (tone, text) => {
    feed.dataset.tone = tone;
    feed.textContent = text;
  };
  source.onopen = () => {
    tell("good", feed.dataset.liveText);
    soon();
  };
  source.onerror = () => {
    tell("bad", feed.dataset.cutText);
    // A refused feed is not tried again by the browser itself.
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, 3000);
  };
  const on = (name, taking) =>
    source.addEventListener(name, (event) => {
      taking(JSON.parse(event.data));
      if (name !== "counters") soonForOneOf(EVENTS);
    });
  on("counters", (counters) => {
    const now = standingOf(counters);
    if (now !== standing) soonForOneOf(STANDINGS);
    standing = now;
  });
  on("link", (event) => addEvent({ ...event, key: `link ${event.number}` }, false));
  on("transfer", (event) => {
    addEvent({ ...event, key: `transfer ${event.number}` }, ["needs_operator", "contradiction"].includes(event.kind));
  });
  on("lagged", (event) => {
    if (event.source === "bridge") {
      byId("events")?.replaceChildren();
      seen.clear();
    }
  });
}

localTimes(document);
byId("said")?.focus();
document.addEventListener("visibilitychange", () => soon());
due = Date.now() + EVERY_MS;
setInterval(() => { if (Date.now() >= due) look(); }, 100);
follow();

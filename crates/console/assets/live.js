// Keeps a page as the bridge stands. What is shown is rendered by the bridge, always; events only say that something has
// changed, and then the same page is asked for again. So an event that was lost leaves nothing stale, and nothing that
// somebody is typing is taken away.

const PAUSE_MS = 400;
const EVERY_MS = 5000;
const ANSWER_WITHIN_MS = 8000;
// A page that nobody touches keeps no session alive by what it asks by itself.
const TOUCHED_MS = 60_000;

let touched = Date.now();
for (const kind of ["pointerdown", "pointermove", "keydown"]) {
  addEventListener(kind, () => { touched = Date.now(); }, { passive: true });
}

let shownAt = Date.now();
let due = 0;
let isAsking = false;
const byId = (id) => document.getElementById(id);

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

/** Puts what the bridge shows now in the place of what was shown; what is open, chosen or being read stays so. */
function take(part, fresh) {
  localTimes(fresh);
  const open = new Set([...part.querySelectorAll("details[open][id]")].map((details) => details.id));
  for (const details of fresh.querySelectorAll("details[id]")) details.open = open.has(details.id);
  if (part.isEqualNode(fresh)) return;
  const chosen = getSelection();
  if (!chosen.isCollapsed && chosen.containsNode(part, true)) return;
  const focused = part.contains(document.activeElement) ? document.activeElement : null;
  const index = focused ? [...part.querySelectorAll("a, button, summary")].indexOf(focused) : -1;
  part.className = fresh.className;
  part.replaceChildren(...fresh.childNodes);
  if (index >= 0) part.querySelectorAll("a, button, summary")[index]?.focus();
}

/** What somebody has begun to fill in stays, and is told to be old: what is sent is judged by what was seen. */
function takeForms(room, fresh) {
  if (room.dataset.seen === fresh.dataset.seen) return;
  const isChanged = (one) => one.value !== one.defaultValue || one.checked !== one.defaultChecked;
  const fields = [...room.querySelectorAll("textarea, input:not([type=hidden])")];
  if (fields.some(isChanged)) {
    byId("moved").hidden = false;
    return;
  }
  localTimes(fresh);
  const hadFocus = room.contains(document.activeElement);
  room.replaceWith(document.adoptNode(fresh));
  if (hadFocus) byId("main").focus();
}

async function look() {
  if (isAsking || document.hidden) return;
  isAsking = true;
  due = Date.now() + EVERY_MS;
  try {
    const headers = Date.now() - touched < TOUCHED_MS ? {} : { "x-background": "1" };
    const response = await fetch(location.href, { headers, signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
    const path = new URL(response.url).pathname;
    if (response.redirected && path !== location.pathname) return location.assign(path);
    if (!response.ok) throw new Error(`status ${response.status}`);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const said = byId("announce")?.textContent.trim();
    for (const part of document.querySelectorAll("[data-live][id]")) {
      const fresh = page.getElementById(part.id);
      if (fresh) take(part, fresh);
    }
    for (const room of document.querySelectorAll("[data-seen][id]")) {
      const fresh = page.getElementById(room.id);
      if (fresh) takeForms(room, fresh);
    }
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

/** Asks soon, once for however many events there are. */
function soon() {
  due = Math.min(due, Math.max(Date.now(), shownAt + PAUSE_MS));
}

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

function follow() {
  const source = new EventSource("/ops/v1/events");
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
      soon();
    });
  on("counters", () => {});
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
document.addEventListener("visibilitychange", soon);
due = Date.now() + EVERY_MS;
setInterval(() => { if (Date.now() >= due) look(); }, 100);
follow();

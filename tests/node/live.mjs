// Holds the script of the operators' pages to its rules, without a browser: node --test live.mjs. What a page is made of is
// played here as far as the script asks for it, and so is the time.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import vm from "node:vm";

const SCRIPT = readFileSync(new URL("../../crates/console/assets/live.js", import.meta.url), "utf8");
const FIELDS = "textarea, input:not([type=hidden])";

/** A part of a page: what stands in it, and what is found in it by a selector. */
class Part {
  constructor(id, { dataset = {}, found = {}, text = "" } = {}) {
    Object.assign(this, { id, dataset, found, textContent: text, children: [], className: "", hidden: true });
    this.replacedBy = null;
  }
  querySelectorAll(selector) { return this.found[selector] ?? []; }
  contains(other) { return other !== null && (other === this || Object.values(this.found).flat().includes(other)); }
  isEqualNode(other) { return this.textContent === other.textContent; }
  replaceChildren(...children) { this.children = children; }
  replaceWith(other) { this.replacedBy = other; }
  get childNodes() { return this.children; }
  get firstElementChild() { return this.children[0] ?? null; }
  get lastElementChild() { const last = this.children.at(-1); return last && { remove: () => this.children.pop() }; }
  get nextElementSibling() { return this.parent.children[this.parent.children.indexOf(this) + 1] ?? null; }
  append(...parts) { this.children.push(...parts); }
  prepend(...parts) { this.children.unshift(...parts); }
  insertBefore(part, before) {
    part.parent = this;
    const at = before ? this.children.indexOf(before) : this.children.length;
    this.children.splice(at, 0, part);
  }
  focus() {}
}

const field = (value, defaultValue = "") => ({ type: "text", value, defaultValue, checked: false, defaultChecked: false });

/** A page on which the script runs, with a clock that the test turns. */
function page({ parts = [], seen = [], typed = [] } = {}) {
  const world = {
    now: 1_000_000, at: null, asked: [], led: [], sources: [], hidden: false, listeners: {}, timeouts: [],
    answer: () => ({ ok: true, redirected: false, url: "", text: async () => "" }),
    fresh: { title: "page", parts: [] },
  };
  const own = ["cut", "as-of", "moved", "out", "announcements", "main"].map((id) => new Part(id));
  const events = new Part("events", { dataset: { most: "3" } });
  const feed = new Part("feed", { dataset: { liveText: "live", cutText: "interrupted" } });
  const all = [...own, events, feed, ...parts, ...seen];
  const body = { dataset: { here: "/here" }, classList: { toggle: (name, is) => { world[name] = is; } } };
  const document = {
    body, title: "page",
    get activeElement() { return world.at; },
    get hidden() { return world.hidden; },
    getElementById: (id) => all.find((part) => part.id === id) ?? null,
    querySelector: () => parts[0] ?? null,
    querySelectorAll: (selector) =>
      ({ "[data-live][id]": parts, "[data-seen][id]": seen, "textarea, main input:not([type=hidden])": typed })[selector] ?? [],
    addEventListener: (name, heard) => { world.listeners[name] = heard; },
    createElement: () => new Part(""),
    adoptNode: (node) => node,
  };
  class Clock extends Date { static now() { return world.now; } }
  class EventSource {
    static CLOSED = 2;
    constructor() { this.heard = {}; this.readyState = 1; world.sources.push(this); }
    addEventListener(name, heard) { this.heard[name] = heard; }
    say(name, data) { this.heard[name]({ data: JSON.stringify(data) }); }
  }
  vm.runInNewContext(SCRIPT, {
    document, EventSource, Date: Clock, Error,
    addEventListener: (name, heard) => { world.listeners[name] = heard; },
    location: { assign: (to) => world.led.push(to) },
    AbortSignal: { timeout: () => null },
    getSelection: () => ({ isCollapsed: true }),
    DOMParser: class {
      parseFromString() {
        const { title, parts: fresh } = world.fresh;
        return { title, getElementById: (id) => fresh.find((part) => part.id === id) ?? null };
      }
    },
    fetch: async (address, { headers }) => {
      world.asked.push({ at: world.now, address, headers });
      return world.answer();
    },
    setInterval: (turn) => { world.turn = turn; },
    setTimeout: (work, after) => world.timeouts.push({ at: world.now + after, work }),
  });
  /** Lets time pass, by tenths of a second, with all that comes of it. */
  world.pass = async (ms) => {
    for (const end = world.now + ms; world.now < end; ) {
      world.now += 100;
      for (const one of world.timeouts.filter(({ at }) => at <= world.now)) {
        world.timeouts.splice(world.timeouts.indexOf(one), 1);
        one.work();
      }
      world.turn();
      await new Promise(setImmediate);
    }
  };
  world.part = (id) => document.getElementById(id);
  return world;
}

const live = () => new Part("now", { text: "as it was" });

/** A counter as the stream tells of it. */
const counter = (health, in_flight = 0) => [{ counter: "futures", health, in_flight, connections: [{ state: health, heard_at: in_flight }] }];

test("a counter that stands otherwise is asked for at once, and numbers alone are not", async () => {
  const world = page({ parts: [live()] });
  await world.pass(1000);
  assert.equal(world.asked.length, 0, "nothing has happened");
  for (let number = 0; number < 100; number += 1) world.sources[0].say("counters", counter("up", number));
  await world.pass(300);
  assert.equal(world.asked.length, 1);
  for (let number = 0; number < 20; number += 1) {
    world.sources[0].say("counters", counter("up", number));
    await world.pass(200);
  }
  assert.equal(world.asked.length, 1);
  world.sources[0].say("counters", counter("down"));
  await world.pass(500);
  assert.equal(world.asked.length, 2);
});

test("events that go on and on are shown the more seldom, and a counter beside them at once", async () => {
  const world = page({ parts: [live()] });
  let number = 0;
  const storm = async (ms) => {
    for (const end = world.now + ms; world.now < end; ) {
      number += 1;
      world.sources[0].say("transfer", { number, at: number, kind: "held", text: "one" });
      await world.pass(100);
    }
  };
  await storm(30_000);
  const gaps = world.asked.slice(1).map((one, index) => one.at - world.asked[index].at);
  assert.ok(gaps.every((gap) => gap >= 400) && gaps.at(-1) >= 4900, gaps.join());
  assert.ok(gaps[0] <= 1000, gaps.join());
  await storm(600);
  const { length } = world.asked;
  world.sources[0].say("counters", counter("down"));
  await storm(500);
  assert.equal(world.asked.length, length + 1);
  // Once it is quiet, the next is seen at once.
  await world.pass(5400);
  const before = world.asked.length;
  await storm(500);
  assert.equal(world.asked.length, before + 1);
});

test("a counter that stands otherwise again and again is asked for the more seldom", async () => {
  const world = page({ parts: [live()] });
  for (let number = 0; number < 300; number += 1) {
    world.sources[0].say("counters", counter(`state ${number}`));
    await world.pass(100);
  }
  const gaps = world.asked.slice(1).map((one, index) => one.at - world.asked[index].at);
  assert.ok(gaps[0] <= 1000 && gaps.at(-1) >= 4900, gaps.join());
});

test("a page that nobody touches asks by itself the more seldom, and as often as others once it is touched", async () => {
  const world = page({ parts: [live()] });
  await world.pass(60_000);
  assert.equal(world.asked.length, 12);
  await world.pass(60_000);
  assert.ok(world.asked.length <= 12 + 5, String(world.asked.length));
  world.listeners.pointermove();
  const before = world.asked.length;
  await world.pass(5100);
  assert.ok(world.asked.length > before);
});

test("a page on which nothing changes by itself is left alone by events", async () => {
  const world = page();
  for (let number = 0; number < 10; number += 1) world.sources[0].say("counters", counter(`s${number}`));
  await world.pass(4000);
  assert.equal(world.asked.length, 0);
});

test("where the stream breaks that is said, the page goes on being asked for, and a feed that was refused is tried again", async () => {
  const world = page({ parts: [live()] });
  const [source] = world.sources;
  source.onopen();
  assert.deepEqual([world.part("feed").dataset.tone, world.part("feed").textContent], ["good", "live"]);
  source.readyState = 0;
  source.onerror();
  assert.deepEqual([world.part("feed").dataset.tone, world.part("feed").textContent], ["bad", "interrupted"]);
  await world.pass(20_000);
  assert.equal(world.sources.length, 1, "the browser tries again by itself");
  assert.ok(world.asked.length >= 4, "without any event");
  source.readyState = 2;
  source.onerror();
  await world.pass(2900);
  assert.equal(world.sources.length, 1);
  await world.pass(200);
  assert.equal(world.sources.length, 2);
  const before = world.asked.length;
  world.sources[1].onopen();
  await world.pass(500);
  assert.ok(world.asked.length > before, "what happened meanwhile is seen at once");
  assert.equal(world.part("feed").dataset.tone, "good");
});

test("whoever falls behind begins anew with what is told then, and asks for the page", async () => {
  const world = page({ parts: [live()] });
  const [source] = world.sources;
  const happens = (number) => source.say("transfer", { number, at: number * 1_000_000, kind: "held", text: `event ${number}` });
  for (const number of [2, 1, 3, 3]) happens(number);
  const list = () => world.part("events").children.map((item) => Number(item.dataset.at) / 1_000_000);
  assert.deepEqual(list(), [3, 2, 1], "the newest first, each once");
  happens(4);
  assert.deepEqual(list(), [4, 3, 2], "so many and no more");
  source.say("lagged", { source: "link" });
  assert.deepEqual(list(), [4, 3, 2], "that is another feed");
  source.say("lagged", { source: "bridge" });
  assert.deepEqual(list(), []);
  happens(4);
  assert.deepEqual(list(), [4], "it is told anew");
  await world.pass(500);
  assert.ok(world.asked.length >= 1);
});

test("what nobody sees in an event's words is shown, and none of them is markup", () => {
  const world = page({ parts: [live()] });
  world.sources[0].say("link", { number: 1, at: 1, text: "<b>\u202e001\u001b\n" });
  const [, text] = world.part("events").children[0].children;
  assert.equal(text.textContent, "<b>\\u202e001\\u001b\\n");
});

for (const [what, fields, isTaken] of [
  ["nobody has touched is taken over", [field("", "")], true],
  ["is being filled in stays, and that it is overtaken is said", [field("half a", "")], false],
]) {
  test(`a form that ${what}`, async () => {
    const room = new Part("acts", { dataset: { seen: "1" }, found: { [FIELDS]: fields } });
    const world = page({ parts: [live()], seen: [room] });
    const next = new Part("acts", { dataset: { seen: "2" } });
    world.fresh.parts = [live(), next];
    world.sources[0].say("counters", counter("state 0"));
    await world.pass(500);
    assert.equal(room.replacedBy, isTaken ? next : null);
    assert.equal(world.part("moved").hidden, isTaken);
  });
}

test("a form at which somebody is stays, whatever is in it", async () => {
  const one = field("", "");
  const room = new Part("acts", { dataset: { seen: "1" }, found: { [FIELDS]: [one] } });
  const world = page({ parts: [live()], seen: [room] });
  world.fresh.parts = [live(), new Part("acts", { dataset: { seen: "2" } })];
  world.at = one;
  world.sources[0].say("counters", counter("state 1"));
  await world.pass(500);
  assert.deepEqual([room.replacedBy, world.part("moved").hidden], [null, false]);
  room.dataset.seen = "2";
  world.sources[0].say("counters", counter("state 2"));
  await world.pass(500);
  assert.equal(world.part("moved").hidden, true, "it is as the bridge stands");
});

test("a bridge that does not answer is said to be so, with as of when the page is, until it does", async () => {
  const world = page({ parts: [live()] });
  const well = world.answer;
  for (const answer of [() => { throw new Error("refused"); }, () => ({ ok: false, status: 503, redirected: false })]) {
    world.answer = answer;
    await world.pass(6000);
    assert.deepEqual([world.part("cut").hidden, world.stale], [false, true]);
    assert.notEqual(world.part("as-of").textContent, "");
    world.answer = well;
    await world.pass(6000);
    assert.deepEqual([world.part("cut").hidden, world.stale], [true, false]);
  }
});

test("whoever is signed out is led to the door, but not away from what is typed", async () => {
  for (const typed of [[], [field("my words", "")]]) {
    const world = page({ parts: [live()], typed });
    world.answer = () => ({ ok: true, redirected: true, url: "/sign-in?to=%2Fhere" });
    await world.pass(5100);
    assert.deepEqual(world.led, typed.length === 0 ? ["/sign-in?to=%2Fhere"] : []);
    assert.equal(world.part("out").hidden, typed.length === 0);
  }
});

test("a page that nobody sees asks for nothing, and one that nobody touches keeps no session alive", async () => {
  const world = page({ parts: [live()] });
  world.hidden = true;
  await world.pass(30_000);
  assert.equal(world.asked.length, 0);
  world.hidden = false;
  world.listeners.visibilitychange();
  await world.pass(500);
  assert.deepEqual(world.asked.map(({ headers }) => { return { ...headers }; }), [{}]);
  await world.pass(60_000);
  assert.deepEqual({ ...world.asked.at(-1).headers }, { "x-background": "1" });
  world.listeners.keydown();
  await world.pass(6000);
  assert.deepEqual({ ...world.asked.at(-1).headers }, {});
});

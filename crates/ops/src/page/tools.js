// What the page's parts share: the server's time, its answers, and text that changes only where it
// differs.

/** How long an answer is waited for, in milliseconds. */
export const ANSWER_WITHIN_MS = 8000;

// A page that nobody touches keeps no session alive by what it asks by itself.
const TOUCHED_MS = 60_000;
let touched = Date.now();
for (const kind of ["pointerdown", "pointermove", "keydown"]) {
  addEventListener(kind, () => { touched = Date.now(); }, { passive: true });
}

// Control characters, marks of direction and what else nobody sees: the table of the crate `foreign`.
const UNSEEN =
  /[\u{0}-\u{1f}\u{7f}-\u{9f}\u{ad}\u{61c}\u{180e}\u{200b}-\u{200f}\u{2028}-\u{202e}\u{2060}-\u{206f}\u{feff}\u{fff9}-\u{fffb}\u{e0000}-\u{e007f}]/gu;
const SHORT = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** A text as the terminal and the log show it too: whoever's words it has, they turn nothing around. */
export const shown = (text) => text.replace(UNSEEN, (letter) => SHORT[letter] ?? escaped(letter));

const escaped = (letter) =>
  [...Array(letter.length).keys()].map((at) => `\\u${letter.charCodeAt(at).toString(16).padStart(4, "0")}`).join("");

/** The problems of one who has to sign in first. */
const IS_NOBODY = ["/errors/not_signed_in", "/errors/password_to_change"];

let ahead = 0;

/** Tells what time it is at the server, in milliseconds since 1970. */
export function setPresent(at) {
  ahead = at - Date.now();
}

/** The server's present, in milliseconds; its clock is what ages are counted by. */
export const now = () => Date.now() + ahead;

/** Asks the bridge; an answer that is no success is an error with the bridge's words. */
export async function ask(path) {
  const headers = Date.now() - touched < TOUCHED_MS ? {} : { "x-background": "1" };
  const response = await fetch(path, { headers, signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}));
    if (IS_NOBODY.includes(problem.type)) location.assign("/sign-in");
    throw new Error(problem.detail || problem.title || `status ${response.status}`);
  }
  return response.json();
}

/** It is not known whether what was asked for is done. */
export class Unclear extends Error {}

/** Sends JSON; an answer that is no success is an error with the bridge's words. */
export async function send(path, body) {
  let response;
  try {
    response = await fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
  } catch {
    throw new Unclear("the bridge did not answer");
  }
  const said = await response.json().catch(() => ({}));
  if (said.type === "/errors/not_confirmed") throw new Unclear(said.detail);
  if (!response.ok) throw new Error(said.detail || said.title || `status ${response.status}`);
  return said;
}

export const byId = (id) => document.getElementById(id);

// Small tools: text only where it differs, so that nothing flickers and selections stay.

export function say(node, text) {
  const seen = shown(text);
  if (node.textContent !== seen) node.textContent = seen;
}

export function show(node, text) {
  const hidden = !text;
  if (node.hidden !== hidden) node.hidden = hidden;
  say(node, text || "");
}

export function element(name, text, className) {
  const node = document.createElement(name);
  if (text !== undefined) node.textContent = shown(text);
  if (className) node.className = className;
  return node;
}

export const slot = (node, name) => node.querySelector(`[data-slot="${name}"]`);

/** Makes the children of `list` be those of `items`, each kept for as long as its key is there. */
export function keyed(list, items, keyOf, make, update) {
  const old = new Map([...list.children].map((child) => [child.dataset.key, child]));
  // First what is gone, so that what stays is not moved, and nobody who types in it is interrupted.
  const keys = new Set(items.map((item) => String(keyOf(item))));
  for (const [key, node] of old) {
    if (!keys.has(key)) {
      node.remove();
      old.delete(key);
    }
  }
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
}

export const stamped = (id) => byId(id).content.firstElementChild.cloneNode(true);

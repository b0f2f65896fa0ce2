// What is shown of a connection over time, and what an operator does about a counter: hold it, drain it, release it,
// have it sign on anew.

import { byId, now, say, send, show, slot, Unclear } from "./tools.js";
import { clock, roundTrip } from "./words.js";

const DONE = {
  hold: () => "It gets no new transfers.",
  drain: () => "It gets no new transfers, and is signed off once nothing needs it.",
  release: (said) => (said.still_held ? "Released; what it says is still in doubt." : "It gets new transfers again."),
  "new-session": (said) => said.text,
};

/** Shows whether an operator keeps a counter from new transfers, and offers what can be done about it. */
export function showHold(card, { counter, on_hold: hold, can_fence: canFence }) {
  const kind = hold ? hold.kind : "";
  if (card.dataset.onHold !== undefined && card.dataset.onHold !== kind) {
    say(byId("announcements"), kind ? `${counter} is put on hold` : `${counter} is released`);
  }
  card.dataset.onHold = kind;
  card.dataset.onHoldSince = hold ? hold.since : "";
  const does = kind === "drain" ? "drains" : "holds";
  show(slot(card, "on-hold"), hold ? `${hold.who} ${does} it since ${clock(hold.since / 1000, now())}: ${hold.note}` : "");
  show(slot(card, "on-hold-text"), hold ? hold.text : "");
  const offered = { hold: kind !== "hold", drain: kind !== "drain", release: kind !== "", "new-session": canFence === false };
  for (const button of slot(card, "acts").querySelectorAll("button")) button.hidden = !offered[button.value];
}

/** Has a card's form do what it says. */
export function takeActs(card) {
  slot(card, "acts").addEventListener("submit", (event) => {
    event.preventDefault();
    act(card, event.submitter.value);
  });
}

async function act(card, what) {
  const why = slot(card, "act-why");
  const acted = slot(card, "acted");
  const buttons = slot(card, "acts").querySelectorAll("button");
  for (const button of buttons) button.disabled = true;
  try {
    const path = `/ops/v1/counters/${encodeURIComponent(card.dataset.key)}/${what}`;
    // Whatever somebody else says meanwhile is not lifted.
    const meant = what === "release" ? { since: Number(card.dataset.onHoldSince) } : {};
    const said = await send(path, { note: why.value, ...meant });
    why.value = "";
    show(acted, DONE[what](said));
  } catch (error) {
    show(acted, error instanceof Unclear ? `It is not known whether it was done: ${error.message}. Look, and say it again: it is the same said twice.` : `Not done: ${error.message}`);
  }
  for (const button of buttons) button.disabled = false;
  document.dispatchEvent(new Event("look"));
}

/** How a connection is secured, and until when: whichever certificate expires first. */
export function secured(tls) {
  if (!tls) return "none";
  const until = new Date(Math.min(tls.own_expires_at, tls.peer_expires_at) / 1000).toISOString().slice(0, 10);
  const whose = tls.own_expires_at <= tls.peer_expires_at ? "our certificate" : "its certificate";
  return `${tls.version}, ${tls.peer}; until ${until} (${whose})`;
}

/** Draws round trips as a line, the newest at the right; the highest is as high as there is room. */
export function showRoundTrips(svg, micros) {
  svg.toggleAttribute("hidden", micros.length < 2);
  if (micros.length < 2) return;
  const most = Math.max(...micros, 1);
  const first = 60 - micros.length;
  const points = micros.map((one, at) => `${first + at + 0.5},${(15 - (14 * one) / most).toFixed(2)}`).join(" ");
  const line = svg.querySelector("polyline");
  if (line.getAttribute("points") !== points) line.setAttribute("points", points);
  say(svg.querySelector("title"), `The last ${micros.length} round trips: ${roundTrip(Math.min(...micros))} to ${roundTrip(most)}`);
}

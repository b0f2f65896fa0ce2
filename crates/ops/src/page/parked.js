// Transfers that need persons: what is known of each leg, and what two may decide.

import { ask, byId, element, keyed, now, say, show, slot, stamped } from "./tools.js";
import { prepareDecide, updateDecide } from "./decide.js";
import { clock, money, place, plain } from "./words.js";

let shown = 0;

/** Shows what waits for another person's approval, and then those of `GET /ops/v1/transfers?state=needs_operator`. */
export function showParked({ transfers, total }, proposed) {
  if (total > shown) {
    say(byId("announcements"), `${total} transfers need a person`);
  }
  shown = total;
  const count = byId("needs-count");
  show(count, total ? String(total) : "");
  byId("no-parked").hidden = total > 0;
  document.title = total ? `(${total}) counter-bridge` : "counter-bridge";
  const waiting = new Set(proposed.map((transfer) => transfer.master_serial));
  const all = [...proposed, ...transfers.filter((transfer) => !waiting.has(transfer.master_serial))];
  keyed(byId("parked"), all, (t) => t.master_serial, parkedCard, updateParked);
}

function parkedCard(transfer) {
  const card = stamped("parked-card");
  card.setAttribute("aria-label", `transfer ${transfer.master_serial}`);
  const history = slot(card, "history");
  history.addEventListener("toggle", () => {
    if (history.open) showTrail(card, transfer.master_serial);
  });
  prepareDecide(card, transfer.master_serial);
  return card;
}

function updateParked(card, transfer) {
  say(slot(card, "serial"), transfer.master_serial);
  say(slot(card, "amount"), money(transfer.amount, transfer.currency));
  say(slot(card, "from"), place(transfer.from));
  say(slot(card, "to"), place(transfer.to));
  say(slot(card, "reason"), transfer.reason || "");
  say(slot(card, "next"), transfer.next || "");
  const claim = transfer.claim;
  show(slot(card, "claim"), claim ? `claimed by ${claim.who} until ${clock(Date.parse(claim.until), now())}: ${claim.note}` : "");
  say(slot(card, "app"), transfer.app);
  card.dataset.at = transfer.created_at;
  card.dataset.updated = transfer.updated_at;
  keyed(slot(card, "legs"), transfer.legs, (leg) => leg.role, legRow, updateLeg);
  updateDecide(card, transfer);
}

const LEG_CELLS = ["Leg", "At", "Known", "The counter's answer", "Counter serial", "Sent"];

/** An empty row for a leg. */
export function legRow() {
  const row = element("tr");
  LEG_CELLS.forEach((label, index) => {
    const cell = element(index ? "td" : "th");
    if (!index) cell.scope = "row";
    cell.dataset.label = label;
    row.append(cell);
  });
  return row;
}

/** Fills it. */
export function updateLeg(row, leg) {
  const answer = leg.answer ? `${leg.answer.code} ${leg.answer.text}`.trim() : "none";
  const fruitless = leg.fruitless ? `, ${leg.fruitless} fruitless rounds` : "";
  const texts = [
    `${leg.role} ${leg.sub_serial}`,
    `${leg.counter} ${leg.account}`,
    plain(leg.knowledge),
    answer,
    leg.counter_serial || "none",
    `${times(leg.sent)}${fruitless}`,
  ];
  texts.forEach((text, index) => say(row.cells[index], text));
  row.dataset.knowledge = leg.knowledge;
}

const times = (count) => ["never", "once", "twice"][count] || `${count} times`;

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

/** One thing that happened to a transfer. */
export function trailItem(entry) {
  const item = element("li");
  const at = entry.at ? clock(Date.parse(entry.at), now()) : "";
  const leg = entry.leg ? ` (${entry.leg.role}: ${plain(entry.leg.knowledge)})` : "";
  item.append(element("time", at), element("span", `${entry.event}${leg}`), element("span", plain(entry.state), "hint"));
  return item;
}

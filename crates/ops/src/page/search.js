// Finds transfers by whatever number somebody has in hand. What was looked for stands in the page's address, which can
// be sent to a colleague.

import { ask, byId, element, say, show, slot, stamped } from "./tools.js";
import { legRow, trailItem, updateLeg } from "./parked.js";
import { money, place, plain } from "./words.js";

const AS = {
  master_serial: "as a master serial",
  sub_serial: "as a sub serial",
  sequence: "as a running number",
  idempotency_key: "as an idempotency key",
  account: "as an account",
};

let asked = 0;

/** Takes what is typed, and what the page's address asks for. */
export function beginSearch() {
  byId("search").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = byId("q").value.trim();
    const url = new URL(location.href);
    if (text) url.searchParams.set("q", text);
    else url.searchParams.delete("q");
    history.replaceState(null, "", url);
    look(text);
  });
  const text = new URL(location.href).searchParams.get("q") || "";
  byId("q").value = text;
  if (text) look(text);
}

async function look(text) {
  const mine = ++asked;
  const list = byId("found");
  list.replaceChildren();
  show(byId("found-words"), text ? "Looking …" : "");
  if (!text) return;
  let words;
  let matches = [];
  try {
    matches = (await ask(`/ops/v1/search?q=${encodeURIComponent(text)}`)).found;
    const count = matches.reduce((sum, match) => sum + match.transfers.length, 0);
    words = count ? `Found: ${count}` : "No transfer has that number, key or account.";
  } catch (error) {
    words = `It cannot be looked for: ${error.message}`;
  }
  // Somebody who typed on waits for another answer.
  if (mine !== asked) return;
  show(byId("found-words"), words);
  list.replaceChildren(...matches.flatMap((match) => match.transfers.map((transfer) => item(match.by, transfer))));
  if (matches.some((match) => match.next)) {
    list.append(element("li", "There are more: these are the newest.", "hint"));
  }
}

function item(by, transfer) {
  const node = stamped("found-item");
  say(slot(node, "serial"), transfer.master_serial);
  say(slot(node, "state"), plain(transfer.state));
  say(slot(node, "what"), `${money(transfer.amount, transfer.currency)} from ${place(transfer.from)} to ${place(transfer.to)}`);
  const ended = transfer.ended_at ? `, ended ${transfer.ended_at}` : "";
  say(slot(node, "when"), `${AS[by] || plain(by)} · app ${transfer.app} · accepted ${transfer.created_at}${ended}`);
  const about = slot(node, "about");
  about.addEventListener("toggle", () => {
    if (about.open) showAll(node, transfer.master_serial);
  });
  return node;
}

async function showAll(node, serial) {
  const came = slot(node, "came");
  try {
    const transfer = await ask(`/ops/v1/transfers/${serial}`);
    show(came, "");
    say(slot(node, "reason"), transfer.reason || transfer.next || "");
    slot(node, "legs").replaceChildren(...transfer.legs.map((leg) => {
      const row = legRow();
      updateLeg(row, leg);
      return row;
    }));
    slot(node, "trail").replaceChildren(...(transfer.trail || []).map(trailItem));
  } catch (error) {
    show(came, `It cannot be shown: ${error.message}`);
  }
}

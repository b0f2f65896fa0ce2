// Two persons decide about a transfer: one proposes it about what this page shows, another approves it.

import { Unclear, element, keyed, now, say, send, show, slot } from "./tools.js";
import { clock, outlook } from "./words.js";

const DECISIONS = {
  completed: "both legs are done",
  reversed: "the debit was undone, or its money was given back",
  refused: "no money moved",
  resume: "go on by the rules, with fresh patience",
};

/** Puts the forms of a fresh card to work. */
export function prepareDecide(card, serial) {
  const path = `/ops/v1/transfers/${serial}`;
  const proposing = slot(card, "proposing");
  const approving = slot(card, "approving");
  on(card, proposing, async () => {
    const chosen = proposing.querySelector("input:checked");
    if (!chosen) throw new Error("Choose what is to be decided.");
    const note = slot(card, "why");
    const { version, choices } = seen(proposing);
    const leads = choices.find((choice) => choice.decision === chosen.value).leads_to;
    await send(`${path}/proposal`, { decision: chosen.value, version, leads_to: leads, note: note.value });
    note.value = "";
    return "Proposed. Another person has to approve it.";
  });
  for (const form of [proposing, approving]) {
    // What somebody begins to write about is what he sees now, and not what has become known when he is done.
    form.addEventListener("focusin", () => { form.pinned ??= form.shown; });
  }
  const onProposal = async (what) => {
    const note = slot(card, "looked");
    await send(`${path}/${what}`, { proposal: seen(approving).proposal, note: note.value });
    note.value = "";
    approving.answered = true;
  };
  on(card, approving, async () => {
    await onProposal("approval");
    return "Approved: it is decided.";
  });
  slot(card, "withdraw").addEventListener("click", () => {
    if (approving.reportValidity()) {
      act(card, approving, async () => {
        await onProposal("withdrawal");
        return "Withdrawn: it is proposed no longer.";
      });
    }
  });
}

/** What was on the page when its reader began to answer. */
const seen = (form) => form.pinned ?? form.shown;

/** Does what a form asks for; what came of it stands below, and nothing is sent twice at once. */
function on(card, form, doing) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    act(card, form, doing);
  });
}

async function act(card, form, doing) {
  const buttons = [...form.querySelectorAll("button")];
  const came = slot(card, "came");
  for (const button of buttons) button.disabled = true;
  try {
    show(came, await doing());
  } catch (error) {
    const known = error instanceof Unclear ? "Not known whether it is done" : "Not done";
    show(came, `${known}: ${error.message}. What you wrote is kept: look at the transfer as it stands now.`);
  } finally {
    form.pinned = undefined;
    for (const button of buttons) button.disabled = false;
    document.dispatchEvent(new Event("look"));
  }
}

/** Shows what may be decided, or what is proposed. */
export function updateDecide(card, transfer) {
  const proposal = transfer.proposal;
  const [proposing, approving] = [slot(card, "proposing"), slot(card, "approving")];
  proposing.shown = { version: transfer.version, choices: transfer.decisions };
  // What came of it is old once something else is proposed, or nothing any more.
  const was = approving.shown?.proposal;
  if (was && was !== proposal?.id && !approving.answered) {
    // Whoever is writing about it sends what he saw, and is refused.
    show(slot(card, "came"), approving.pinned ? `What ${approving.shown.who} proposed is proposed no longer: look again.` : "");
  }
  approving.answered = false;
  approving.shown = proposal ? { proposal: proposal.id, who: proposal.who } : undefined;
  proposing.hidden = Boolean(proposal);
  approving.hidden = !proposal;
  if (proposal) {
    const until = clock(Date.parse(proposal.until), now());
    say(slot(card, "proposed"), `${proposal.who} proposes ${proposal.decision}: ${outlook(proposal.leads_to)}. Until ${until} another person may approve it.`);
    say(slot(card, "reasoned"), proposal.note);
  } else {
    keyed(slot(card, "choices"), transfer.decisions, (choice) => choice.decision, (choice) => choiceOf(transfer, choice), updateChoice);
  }
}

function choiceOf(transfer, choice) {
  const item = element("label");
  const input = element("input");
  input.type = "radio";
  input.name = `decision-${transfer.master_serial}`;
  input.value = choice.decision;
  const words = element("span", `${choice.decision}: ${DECISIONS[choice.decision] || ""}`);
  const then = element("span", undefined, "hint");
  then.dataset.slot = "then";
  item.append(input, words, then);
  return item;
}

function updateChoice(item, choice) {
  const input = item.querySelector("input");
  input.disabled = !choice.allowed;
  if (!choice.allowed) input.checked = false;
  item.classList.toggle("illegal", !choice.allowed);
  say(slot(item, "then"), choice.allowed ? outlook(choice.leads_to) : `not possible: ${choice.why_not}`);
}

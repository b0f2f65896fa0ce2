// Signing in, and changing a password that another knows.

import { ANSWER_WITHIN_MS, byId, element, say, send, show } from "./tools.js";

const NOBODY = 401;

/** Does what a form asks for; what goes wrong stands above it, and nothing is sent twice at once. */
function on(form, act) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    show(byId("wrong"), "");
    try {
      await act();
    } catch (error) {
      show(byId("wrong"), error.message);
    } finally {
      button.disabled = false;
    }
  });
}

const value = (id) => byId(id).value;

/** A browser that keeps no secured cookie here would only be sent back. */
async function enter() {
  const kept = await fetch("/ops/v1/session", { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
  if (kept.status !== NOBODY && !kept.ok) throw new Error("The bridge does not answer now: try again in a moment.");
  if (!kept.ok) {
    throw new Error("You are signed in, and this browser did not keep it: open this page by https, or on the bridge's own machine.");
  }
  location.assign("/");
}

on(byId("sign-in"), async () => {
  const who = await send("/ops/v1/session", { name: value("name"), password: value("password"), code: value("code") });
  if (who.must_change_password) {
    byId("sign-in").hidden = true;
    byId("change").hidden = false;
    byId("new").focus();
  } else {
    await enter();
  }
});

on(byId("change"), async () => {
  if (value("new") !== value("again")) throw new Error("The two are not the same.");
  const { second_factor: factor } = await send("/ops/v1/session/password", { password: value("password"), new: value("new") });
  if (!factor) return enter();
  byId("change").hidden = true;
  byId("factor").hidden = false;
  say(byId("secret"), factor.secret);
  byId("uri").href = factor.uri;
  byId("codes").replaceChildren(...factor.recovery_codes.map((code) => element("li", code)));
  byId("kept").focus();
});

on(byId("factor"), enter);

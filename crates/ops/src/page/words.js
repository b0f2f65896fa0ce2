// Numbers and times as people read them. Times come in as milliseconds since 1970.

const decimalsOf = new Map();

function decimals(currency) {
  if (!decimalsOf.has(currency)) {
    let digits = 2;
    try {
      digits = new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions()
        .maximumFractionDigits;
    } catch {
      // Not a currency that the browser knows: most have two.
    }
    decimalsOf.set(currency, digits);
  }
  return decimalsOf.get(currency);
}

/** 100000 fen as `1,000.00 CNY`. By text, so that no sum is rounded. */
export function money(minor, currency) {
  const digits = decimals(currency);
  const text = String(Math.abs(minor)).padStart(digits + 1, "0");
  const whole = digits ? text.slice(0, -digits) : text;
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  const part = digits ? `.${text.slice(-digits)}` : "";
  return `${minor < 0 ? "-" : ""}${grouped}${part} ${currency}`;
}

/** 3725 as `1 h 2 min`. */
export function duration(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

/** The time of day; with the date if it is not today. */
export function clock(at, now) {
  const time = new Date(at);
  const hours = time.toLocaleTimeString("en-GB");
  const today = new Date(now).toDateString() === time.toDateString();
  return today ? hours : `${time.toLocaleDateString("sv-SE")} ${hours}`;
}

/** 1234 microseconds as `1.2 ms`. */
export function roundTrip(us) {
  if (us === null) return "none yet";
  if (us < 1000) return `${us} µs`;
  if (us < 1000000) return `${(us / 1000).toFixed(1)} ms`;
  return `${(us / 1000000).toFixed(1)} s`;
}

/** 20261121 as `2026-11-21`. */
export function day(number) {
  if (number === null) return "not known yet";
  return String(number).replace(/^(\d{4})(\d{2})(\d{2})$/, "$1-$2-$3");
}

/** `needs_operator` as `needs operator`. */
export const plain = (word) => word.replaceAll("_", " ");

/** An account at a counter. */
export const place = (account) => `${account.counter} ${account.account}`;

/** What a decision leads to, as the bridge says it. */
export function outlook(leads) {
  if (leads === null) return "";
  if (leads.ends) return `it ends as ${plain(leads.ends)}`;
  if (leads.sends) return `the ${leads.sends} is sent`;
  if (leads.unproven) return `the counter is asked about the ${leads.unproven}, and it goes on by the answer`;
  return "it needs persons again";
}

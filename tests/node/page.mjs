// Walks through the operators' pages in a real browser as two people who decide together, by keyboard alone, lets axe
// look for what people with disabilities stumble over, and says what it saw as one JSON object:
// node page.mjs FOLDER_OF_PACKAGES BROWSER URL SERIAL NAME PASSWORD OTHER_NAME OTHER_PASSWORD COUNTER [FOLDER_FOR_PICTURES]
//
// SERIAL is a transfer that waits for two; NAME proposes how it ends, and OTHER_NAME approves that.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const [packages, browserProgram, url, serial, name, password, otherName, otherPassword, counter, pictures] = process.argv.slice(2);
const require = createRequire(join(packages, "package.json"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

// Light and dark, a desk and a telephone, both languages.
const LOOKS = [
  { name: "desk-light", width: 1280, height: 900, colorScheme: "light", locale: "en-GB" },
  { name: "desk-dark-chinese", width: 1280, height: 900, colorScheme: "dark", locale: "zh-CN" },
  { name: "telephone-light-chinese", width: 390, height: 844, colorScheme: "light", locale: "zh-CN" },
  { name: "telephone-dark", width: 390, height: 844, colorScheme: "dark", locale: "en-GB" },
];
const ROOMS = [
  "/",
  "/connections",
  `/connections/${counter}`,
  "/transit",
  "/transfers",
  `/transfers?q=${serial}`,
  "/transfers?q=nothing-of-the-kind",
  `/transfers/${serial}`,
  "/alarms",
  "/people",
  `/people/${name}`,
  "/acts",
];

const browser = await chromium.launch({
  executablePath: browserProgram,
  // Without a sandbox of its own, for tests may run as root; it shows pages that are ours.
  args: ["--no-sandbox", "--disable-gpu", "--no-proxy-server"],
});
const seen = { views: [], complaints: [], requests: [], steps: [] };

async function newPage(look) {
  const context = await browser.newContext({
    viewport: { width: look.width, height: look.height },
    colorScheme: look.colorScheme,
    locale: look.locale,
    reducedMotion: "reduce",
  });
  const page = await context.newPage();
  page.on("pageerror", (error) => seen.complaints.push(String(error)));
  page.on("dialog", (dialog) => {
    seen.complaints.push(`a dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("console", (message) => {
    // A page that refuses something says so with a status, which a browser notes down.
    if (["error", "warning"].includes(message.type()) && !message.text().includes("status of 4")) {
      seen.complaints.push(`${page.url()}: ${message.text()}`);
    }
  });
  page.on("request", (request) => seen.requests.push(request.url()));
  return page;
}

/** Moves the focus by the tabulator until it is where it is wanted, as somebody without a mouse does. */
async function tabTo(page, selector) {
  for (let times = 0; times < 120; times += 1) {
    const isThere = await page.evaluate((wanted) => document.activeElement?.matches(wanted) ?? false, selector);
    if (isThere) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`${selector} is not reached by the keyboard at ${page.url()}`);
}

async function signIn(page, who, secret) {
  await page.goto(new URL("/sign-in", url).href);
  await tabTo(page, "#name");
  await page.keyboard.type(who);
  await tabTo(page, "#password");
  await page.keyboard.type(secret);
  await page.keyboard.press("Enter");
  await page.waitForURL(url);
}

async function look(page, as, room) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run());
  if (pictures) {
    const file = `${as.name}${room.replaceAll(/[^a-z0-9]+/g, "-")}.png`;
    await page.screenshot({ path: join(pictures, file), fullPage: true });
  }
  seen.views.push({
    name: `${as.name} ${room}`,
    language: await page.locator("html").getAttribute("lang"),
    violations: violations.map(({ id, impact, help, nodes }) => ({ id, impact, help, where: nodes.map((node) => node.html.slice(0, 200)) })),
    first: (await page.locator("h2").allInnerTexts())[0] ?? "",
    text: await page.locator("body").innerText(),
    markup: await page.locator("main img, main iframe, main b, main marquee").count(),
    overtaken: await page.evaluate(() => "overtaken" in window),
    overflows: await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth),
  });
}

try {
  for (const as of LOOKS) {
    const page = await newPage(as);
    await signIn(page, name, password);
    for (const room of ROOMS) {
      await page.goto(new URL(room, url).href);
      for (const details of await page.locator("details").all()) {
        await details.evaluate((element) => (element.open = true));
      }
      await look(page, as, room);
    }
    await page.context().close();
  }

  // Two people decide, each in a browser of their own, without a mouse.
  const [one, other] = [await newPage(LOOKS[0]), await newPage(LOOKS[1])];
  await signIn(one, name, password);
  await signIn(other, otherName, otherPassword);
  const its = new URL(`/transfers/${serial}`, url).href;
  await one.goto(its);
  await tabTo(one, "input[name=choice]:not(:disabled)");
  await one.keyboard.press("Space");
  await tabTo(one, "#found");
  await one.keyboard.type("the counter's people were asked,");
  await one.keyboard.press("Enter");
  await one.keyboard.type("by telephone");
  await tabTo(one, "#proposing button");
  await other.goto(its);
  await one.keyboard.press("Enter");
  await one.locator("#said[data-tone=good]").waitFor();
  seen.steps.push(await one.locator("#said").innerText());

  // The other's page shows it by itself, and nobody approves what is one's own.
  await other.locator("#approving").waitFor({ timeout: 30_000 }).catch(async () => {
    seen.steps.push("the other's page did not follow");
    await other.reload();
  });
  await tabTo(one, "#looked");
  await one.keyboard.type("my own words");
  await tabTo(one, "#approving button");
  await one.keyboard.press("Enter");
  await one.locator("#said[data-tone=bad]").waitFor();
  seen.steps.push(await one.locator("#said").innerText());
  seen.kept = await one.locator("#looked").inputValue();
  // It goes on being as the bridge stands, where a form was answered, too.
  await one.waitForResponse((response) => response.url() === its);
  seen.isCut = await one.locator("#cut").isVisible();

  await tabTo(other, "#looked");
  await other.keyboard.type("seen in the counter's books");
  await tabTo(other, "#approving button");
  await other.keyboard.press("Enter");
  await other.locator("#said[data-tone=good]").waitFor();
  seen.steps.push(await other.locator("#said").innerText());
  seen.after = await other.locator(".state").first().getAttribute("class");

  // A counter is put on hold, and released, by whoever may act.
  await one.goto(new URL(`/connections/${counter}`, url).href);
  for (const [button, done] of [["/hold", "hold"], ["/release", "release"]]) {
    await tabTo(one, "#why");
    await one.keyboard.type(`to try ${done}`);
    const ending = button === "/hold" ? "#acts button:not([formaction])" : `#acts button[formaction$="${button}"]`;
    await tabTo(one, ending);
    await one.keyboard.press("Enter");
    await one.waitForURL(new RegExp(`/connections/${counter}$`));
    await one.locator("#said[data-tone=good]").waitFor();
    seen.steps.push((await one.locator("#now .doubt").allInnerTexts())[0] ?? "not on hold");
  }

  // Another language, for as long as it is wanted.
  await tabTo(one, ".language button");
  await one.keyboard.press("Enter");
  await one.waitForFunction(() => document.documentElement.lang === "zh-CN");
  seen.steps.push(await one.locator("nav a").first().innerText());

  // Whoever has signed out is nobody here.
  await tabTo(one, ".who button");
  await one.keyboard.press("Enter");
  await one.waitForURL(/sign-in/);
  await one.goto(its);
  seen.steps.push(new URL(one.url()).pathname);
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen));

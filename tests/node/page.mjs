// Opens the operators' page in a real browser, lets axe look for what people with disabilities stumble
// over, and says what it saw as one JSON object: node page.mjs FOLDER_OF_PACKAGES BROWSER URL WORDS NAME PASSWORD
//
// WORDS have to stand on the page before it is looked at; the operator NAME signs in with PASSWORD before.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const [packages, browserProgram, url, words, name, password] = process.argv.slice(2);
const require = createRequire(join(packages, "package.json"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

// Light and dark, a desk and a telephone.
const VIEWS = [
  { name: "desk, light", width: 1280, height: 900, colorScheme: "light" },
  { name: "desk, dark", width: 1280, height: 900, colorScheme: "dark" },
  { name: "telephone, light", width: 360, height: 740, colorScheme: "light" },
];

const browser = await chromium.launch({
  executablePath: browserProgram,
  // Without a sandbox of its own, for tests may run as root; it shows one page, which is ours.
  args: ["--no-sandbox", "--disable-gpu", "--no-proxy-server"],
});
const seen = { views: [], complaints: [], requests: [] };
try {
  for (const view of VIEWS) {
    const context = await browser.newContext({
      viewport: { width: view.width, height: view.height },
      colorScheme: view.colorScheme,
      reducedMotion: "reduce",
    });
    const page = await context.newPage();
    page.on("pageerror", (error) => seen.complaints.push(String(error)));
    page.on("dialog", (dialog) => {
      seen.complaints.push(`a dialog: ${dialog.message()}`);
      dialog.dismiss();
    });
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) seen.complaints.push(message.text());
    });
    page.on("request", (request) => seen.requests.push(request.url()));
    await page.goto(new URL("/sign-in", url).href);
    await page.locator("#name").fill(name);
    await page.locator("#password").fill(password);
    await page.locator("#enter").click();
    await page.waitForURL(url);
    await page.getByText(words).first().waitFor();
    // Found by its number, with all that is known of it.
    await page.locator("#q").fill(words);
    await page.locator("#q").press("Enter");
    await page.locator("#found li").first().waitFor();
    const found = await page.locator("#found li").first().innerText();
    for (const details of await page.locator("details").all()) {
      if (await details.isVisible()) await details.evaluate((element) => (element.open = true));
    }
    // Evaluated by the driver, so that the page's own policy stays as it is.
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => window.axe.run());
    seen.views.push({
      name: view.name,
      violations: violations.map(({ id, impact, help, nodes }) => ({
        id,
        impact,
        help,
        where: nodes.map((node) => node.html.slice(0, 200)),
      })),
      found,
      address: page.url(),
      first: await page.locator("h2").first().innerText(),
      text: await page.locator("body").innerText(),
      markup: await page.locator("img, iframe, b, marquee").count(),
      overtaken: await page.evaluate(() => "overtaken" in window),
      overflows: await page.evaluate(
        () => document.documentElement.scrollWidth > document.documentElement.clientWidth,
      ),
    });
    await context.close();
  }
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen));

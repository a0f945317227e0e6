// What the tests in a browser share: the browser, the gateway's neighbours, a connection that can be
// cut, and waiting for something to happen.

import { createRequire } from "node:module";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";

const require = createRequire(new URL("../../target/tools/browser/", import.meta.url));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const { GATEWAY, FAKES, NEW_GATEWAY, NEW_FAKES, OPERATOR, VIEWER } = process.env;
export { FAKES, GATEWAY, OPERATOR, VIEWER };

// ---- What is kept ----

const out = new URL("../../target/browser/", import.meta.url);
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
export const kept = (name) => new URL(name, out).pathname;
export const keep = (name, text) => writeFileSync(kept(name), text);

// ---- Tests, one after the other ----

const failures = [];
const begun = performance.now();
const seconds = () => `${((performance.now() - begun) / 1000).toFixed(1)} s`;
export async function test(name, run) {
  try {
    await run();
    console.log(`ok    ${name} (${seconds()})`);
  } catch (error) {
    failures.push(name);
    console.log(`FAIL  ${name} (${seconds()})\n${error.stack ?? error}`);
  }
}
export const finish = () => {
  console.log(failures.length ? `${failures.length} failed` : "all passed");
  process.exitCode = failures.length ? 1 : 0;
};
export const check = (holds, what) => {
  if (!holds) throw new Error(what);
};
export const equal = (found, expected, what = "") => {
  const [one, other] = [JSON.stringify(found), JSON.stringify(expected)];
  check(one === other, `${what} is ${one}, not ${other}`);
};
// Waits until something holds, and gives it.
export async function until(what, ask) {
  const end = performance.now() + 20_000;
  let last;
  while (performance.now() < end) {
    try {
      last = await ask();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`it did not happen that ${what}: ${last}`);
}

// ---- The browser ----

export const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
// What each page has said that it should not.
export const complaints = [];
export async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  context.on("console", (message) => {
    // An answer with an error is what some tests are about.
    const isExpected = message.text().startsWith("Failed to load resource");
    if (message.type() === "error" && !isExpected) complaints.push(message.text());
  });
  context.on("weberror", (error) => complaints.push(String(error.error())));
  return context;
}
export async function signIn(page, token = VIEWER, gateway = GATEWAY) {
  await page.goto(`${gateway}/login`);
  await page.getByLabel("API token").fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(/\/ui/);
}
// A page of somebody who has signed in.
export async function signedIn(options = {}, token = VIEWER, gateway = GATEWAY) {
  const page = await (await open(options)).newPage();
  await signIn(page, token, gateway);
  return page;
}
// What axe says that is serious or critical.
export async function findings(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  const isGrave = ({ impact }) => impact === "serious" || impact === "critical";
  return violations.filter(isGrave).map(({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 200)} (${nodes.length})`);
}
const WIDTHS = [320, 768, 1280];
// What is wrong with a page at every width, in the theme that it has. Keeps pictures.
export async function flaws(page, name, theme) {
  const flaws = [];
  await page.waitForLoadState();
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: width < 500 ? 700 : 900 });
    const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (over > 0) flaws.push(`it is ${over} px too wide at ${width} px`);
    const inside = await page.evaluate(() => {
      const main = document.querySelector("main");
      return main.scrollWidth - main.clientWidth;
    });
    if (inside > 0) flaws.push(`its content is ${inside} px too wide at ${width} px`);
    if (width !== 768) {
      const found = await findings(page);
      flaws.push(...found.map((one) => `${theme}, ${width} px: ${one}`));
    }
    await page.screenshot({ path: kept(`${name}-${theme}-${width}.png`), fullPage: width === 320 });
  }
  return flaws;
}
// The same in both themes, for a page that no link leads to.
export async function inspect(page, name) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    equal(await flaws(page, name, colorScheme), [], `what is wrong with ${name}`);
  }
  await page.emulateMedia({ colorScheme: null });
}
// A click that leads to a page ends before the page is there.
export async function heading(page) {
  await page.waitForLoadState();
  return page.locator("h1").textContent();
}
export const isLive = (page) => until("the page is live", () => page.locator("#live.good").count());
// Goes to a page, and waits until it learns of changes.
export async function goLive(page, path, gateway = GATEWAY) {
  await page.goto(`${gateway}${path}`);
  await isLive(page);
}

// ---- The gateway and its neighbours ----

const call = async (method, url, body, headers) => {
  const answer = await fetch(url, { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  check(answer.ok, `${method} ${url}: ${answer.status} ${text}`);
  return text && JSON.parse(text);
};
const asOperator = { authorization: `Bearer ${OPERATOR}`, "content-type": "application/json" };
// What is done to a gateway and its neighbours other than in the browser.
const installation = (gateway, fakes) => {
  const fake = (path, body) => call("POST", `${fakes}/_fake/${path}`, body, { "content-type": "application/json" });
  const api = (path) => call("GET", `${gateway}${path}`, undefined, asOperator);
  const report = (run, body) => call("POST", `${gateway}/v1/runs/${run}/reports`, body, asOperator);
  // Opens a pull request whose runs the CI treats like this. Gives the run, once the CI has it.
  const pullRequest = async (branch, behaviour, title = `Work on ${branch}`, repository = "Fabrikam/web") => {
    await fake("ci", { behaviour });
    const { commit } = await fake("push", { repository, branch, comment: title });
    await fake("pull-requests", { repository, source: branch, title });
    const runs = () => api(`/v1/runs?commit=${commit}`);
    return until("the run has begun", async () => {
      const [run] = (await runs()).items;
      return run && run.state !== "planned" && run;
    });
  };
  // An address at another site than the gateway's.
  const elsewhere = `${fakes.replace("127.0.0.1", "localhost")}/_fake`;
  return { url: gateway, elsewhere, fake, api, report, pullRequest };
};
export const { fake, api, report, pullRequest } = installation(GATEWAY, FAKES);
// One that nobody has set up, at which people sign in with Entra.
export const fresh = installation(NEW_GATEWAY, NEW_FAKES);

// ---- A connection that can be cut ----

// Passes bytes on to the gateway; `cut` ends all connections, and refuses new ones until `mend`.
export async function link() {
  const target = new URL(GATEWAY);
  const sockets = new Set();
  let isCut = false;
  const server = net.createServer((client) => {
    if (isCut) return client.destroy();
    const gateway = net.connect(target.port, target.hostname);
    const both = { client, gateway, isStream: false };
    sockets.add(both);
    client.on("data", (bytes) => { both.isStream ||= bytes.includes("GET /ui/live"); });
    const end = () => { sockets.delete(both); client.destroy(); gateway.destroy(); };
    for (const socket of [client, gateway]) socket.on("error", end).on("close", end);
    client.pipe(gateway).pipe(client);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    streams: () => [...sockets].filter(({ isStream }) => isStream).length,
    cut() { isCut = true; for (const { client, gateway } of sockets) { client.destroy(); gateway.destroy(); } },
    mend() { isCut = false; },
    // Nothing arrives any more, and nobody is told.
    hold() { for (const { gateway } of sockets) gateway.pause(); },
    close: () => server.close(),
  };
}

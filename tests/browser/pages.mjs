// Every page there is: found by its links, and looked at in both themes and at every width.

import {
  GATEWAY, OPERATOR, check, equal, findings, flaws, goLive, keep, open, pullRequest, report, signedIn, test,
} from "./tools.mjs";
import { small } from "./picture.mjs";

// Pages that no link leads to. Others are found by following links.
const MORE = ["/ui/find?q=nothing", "/ui/runs?state=timed_out", "/ui/runs?colour=red", "/ui/nothing", "/ui/runs?limit=2"];
const PAGE_BYTES_MAX = 60_000;

// What pages look alike: addresses that differ in ids and the values of filters only.
const shape = (path) => path
  .replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "{id}")
  .replace(/[0-9a-f]{40}/g, "{commit}")
  .replace(/\/ui\/[^/]+\/[^/]+\/_git\/[^/?]+/, "/ui/{repository}")
  .replace(/\/\d+/g, "/{number}")
  .replace(/\?.*/, (query) => `?${[...new URLSearchParams(query).keys()].sort().join("&")}`);
const isPage = (path) => path.startsWith("/ui") && !/^\/ui\/(assets|live)|\/body$|\.csv/.test(path);
const fileName = (path) => shape(path).slice(4).replace(/[^a-z]+/g, "-").replace(/^-|-$/g, "") || "overview";

// One address of each shape, from the overview on.
async function walk(page) {
  const found = new Map();
  const next = ["/ui", ...MORE];
  while (next.length) {
    const path = next.shift();
    if (found.has(shape(path))) continue;
    found.set(shape(path), path);
    await page.goto(`${GATEWAY}${path}`);
    const links = await page.locator("a[href]").evaluateAll((all) => all.map((a) => a.href));
    const here = links.map((href) => new URL(href)).filter(({ origin }) => origin === GATEWAY);
    next.push(...here.map(({ pathname, search }) => pathname + search).filter(isPage));
  }
  return [...found.values()];
}

const failed = await pullRequest("broken", "never_report", "Rework the login");
await report(failed.id, { state: "failed", description: "2 of 12 tests failed: login::remembers, login::forgets" });
const running = await pullRequest("going-on", "never_report", "Add an export");
await report(running.id, { state: "running", description: "Compiling", url: "https://ci.example.com/builds/8841" });

const rows = ["page\tstatus\tfirst byte ms\tbytes\twith what it loads"];

await test("every page is read by everybody, fits, and is small", async () => {
  const page = await signedIn({}, OPERATOR);
  const paths = await walk(page);
  keep("pages.txt", `${paths.join("\n")}\n`);
  check(paths.length >= 20, `there are pages: ${paths}`);
  const problems = [];
  const assets = await page.context().request.get(`${GATEWAY}/ui`);
  const loaded = [...(await assets.text()).matchAll(/\/ui\/assets\/[^"]+\.(?:css|js|svg)/g)].map(([path]) => path);
  let assetBytes = 0;
  for (const path of new Set(loaded)) assetBytes += await wireBytes(page, path);
  const look = async (colorScheme) => {
    const page = await signedIn({ colorScheme }, OPERATOR);
    for (const path of paths) {
      const answer = await page.goto(`${GATEWAY}${path}`);
      if (colorScheme === "light") {
        const { responseStart, requestStart } = answer.request().timing();
        const bytes = (await answer.request().sizes()).responseBodySize;
        rows.push([path, answer.status(), (responseStart - requestStart).toFixed(1), bytes, bytes + assetBytes].join("\t"));
        if (bytes + assetBytes > PAGE_BYTES_MAX) problems.push(`${path} has ${bytes + assetBytes} bytes`);
      }
      const found = await flaws(page, fileName(path), colorScheme);
      problems.push(...found.map((one) => `${path}: ${one}`));
    }
    await page.context().close();
  };
  await Promise.all([look("light"), look("dark")]);
  keep("bytes.tsv", `${rows.join("\n")}\n`);
  equal(problems, [], "what is wrong");
  await page.context().close();
});

// As many as come over the network.
async function wireBytes(page, path) {
  const answer = await fetch(`${GATEWAY}${path}`, { headers: { "accept-encoding": "gzip" } });
  return Number(answer.headers.get("content-length"));
}

await test("axe finds what is wrong", async () => {
  const page = await signedIn();
  await page.evaluate(() => {
    document.querySelector("h1").style.color = "#eeeeee";
    document.querySelector(".theme button").removeAttribute("aria-label");
    document.querySelector(".theme button").removeAttribute("title");
  });
  const found = (await findings(page)).map((one) => one.split(":")[0]);
  equal(found.sort(), ["button-name", "color-contrast"], "what it finds");
  await page.context().close();
});

await test("targets are large enough for fingers", async () => {
  const page = await signedIn({ viewport: { width: 320, height: 700 }, hasTouch: true });
  for (const path of ["/ui", "/ui/runs", "/ui/connections"]) {
    await page.goto(`${GATEWAY}${path}`);
    const small = await page.locator("button, .button, input:not([type=hidden]), select, nav a, summary").evaluateAll((all) => all
      .map((element) => ({ html: element.outerHTML.slice(0, 80), box: element.getBoundingClientRect() }))
      .filter(({ box }) => box.width && box.height < 43.5)
      .map(({ html, box }) => `${html} ${box.height}`));
    equal(small, [], `what is small on ${path}`);
  }
  await page.context().close();
});

// A person copies them to docs/images when the pages have changed.
await test("the pictures of the README are made, and small", async () => {
  const blank = await (await open()).newPage();
  for (const colorScheme of ["light", "dark"]) {
    const page = await signedIn({ viewport: { width: 1200, height: 760 }, colorScheme });
    await goLive(page, "/ui");
    const picture = await small(blank, await page.screenshot());
    check(picture.length <= 60_000, `it has ${picture.length} bytes`);
    keep(`readme-${colorScheme}.png`, picture);
    await page.context().close();
  }
  await blank.context().close();
});

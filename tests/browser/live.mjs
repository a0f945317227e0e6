// Open pages: what changes by itself, what stays, and what they say when they are not live.

import {
  GATEWAY, check, equal, goLive, isLive, link, open, pullRequest, report, signIn, signedIn, test, until,
} from "./tools.mjs";

const state = (page, run) => page.locator(`#run-${run.id} .badge`).first().textContent();
const text = (page, selector) => page.locator(selector).first().textContent();

await test("a run goes green where it is, and what is above it stays", async () => {
  const run = await pullRequest("goes-green", "never_report");
  const after = await pullRequest("after-it", "succeed");
  const page = await signedIn();
  await goLive(page, "/ui/runs");
  await page.evaluate(() => { window.isSame = true; });
  const place = () => page.locator(`#run-${run.id}`).boundingBox();
  const first = page.locator(`#run-${after.id}`);
  await until("the one above has its colour", async () => (await first.textContent()).includes("Succeeded"));
  const before = await place();
  await report(run.id, { state: "running" });
  await until("it is seen to run", async () => (await state(page, run)).includes("Running"));
  await report(run.id, { state: "succeeded", description: "12 tests" });
  await until("it is seen to succeed", async () => (await state(page, run)).includes("Succeeded"));
  equal(Math.round((await place()).y), Math.round(before.y), "its place");
  check(await page.evaluate(() => window.isSame), "the page was not loaded again");
  await page.context().close();
});

await test("a list says how many are newer, and shows them when asked", async () => {
  const page = await signedIn();
  await goLive(page, "/ui/runs");
  const ids = () => page.locator("tbody tr").evaluateAll((rows) => rows.map((row) => row.id));
  const before = await ids();
  const runs = [await pullRequest("newer-1", "succeed"), await pullRequest("newer-2", "succeed")];
  await until("both are counted", async () => (await text(page, ".newer")).startsWith("2 newer"));
  equal(await ids(), before, "the rows");
  equal(await text(page, "#news"), "2 newer ", "what is said aloud");
  await page.getByRole("button", { name: "Show" }).click();
  equal((await ids()).slice(0, 2), runs.reverse().map((run) => `run-${run.id}`), "the first rows");
  equal(await text(page, ".newer"), "", "the note");
  await page.context().close();
});

await test("a row that matches the filters no more is struck out where it is", async () => {
  const runs = [await pullRequest("leaves", "never_report"), await pullRequest("stays", "never_report")];
  for (const run of runs) await report(run.id, { state: "running" });
  const page = await signedIn();
  await goLive(page, "/ui/runs?state=running");
  await report(runs[0].id, { state: "succeeded" });
  await until("it is struck out", () => page.locator(`#run-${runs[0].id}.gone`).count());
  equal(await page.locator(`#run-${runs[1].id}.gone`).count(), 0, "the other one");
  await report(runs[1].id, { state: "succeeded" });
  await until("the last one is, too", () => page.locator(`#run-${runs[1].id}.gone`).count());
  await page.context().close();
});

await test("the page of a run follows it", async () => {
  const run = await pullRequest("followed", "never_report");
  const page = await signedIn();
  await goLive(page, `/ui/runs/${run.id}`);
  await page.evaluate(() => { document.querySelector(".state").isSame = true; });
  await report(run.id, { state: "running" });
  await until("it runs", async () => (await text(page, ".state .badge")).includes("Running"));
  check(await page.evaluate(() => document.querySelector(".state").isSame), "it is the same element");
  const steps = await page.locator("tr[id^=step-]").count();
  await report(run.id, { state: "failed", description: "2 of 12 tests" });
  await until("it has failed", async () => (await text(page, ".state .badge")).includes("Failed"));
  await until("its step is there", async () => (await page.locator("tr[id^=step-]").count()) > steps);
  await until("its status is shown", async () => (await text(page, "[data-part=statuses]")).includes("2 of 12 tests"));
  check((await text(page, "#news")).includes("Failed"), "it is said aloud");
  await page.context().close();
});

await test("what was opened, typed and scrolled stays", async () => {
  const run = await pullRequest("kept", "never_report");
  const page = await signedIn();
  let number = 0;
  await page.route("**/ui/runs/*part=life*", async (route) => {
    const answer = await route.fetch();
    number += 1;
    const rest = `<p>Read ${number}</p><details id="more"><summary>More</summary><input aria-label="typed"></details>`;
    await route.fulfill({ response: answer, body: rest + (await answer.text()) });
  });
  await goLive(page, `/ui/runs/${run.id}`);
  await page.locator("#more summary").click();
  const typed = page.getByLabel("typed");
  await typed.fill("half a wo");
  await page.evaluate(() => scrollTo(0, 120));
  const before = number;
  await report(run.id, { state: "running" });
  await until("it is read again", async () => number > before && (await text(page, "[data-part=life] p")) === `Read ${number}`);
  equal(await typed.inputValue(), "half a wo", "what was typed");
  check(await page.locator("#more").getAttribute("open") !== null, "it is still open");
  check(await typed.evaluate((element) => element === document.activeElement), "it has the focus");
  equal(await page.evaluate(() => scrollY), 120, "the place");
  await page.context().close();
});

await test("a stream that is cut is said, and begun again", async () => {
  const line = await link();
  const page = await signedIn({}, undefined, line.url);
  await goLive(page, "/ui/runs", line.url);
  line.cut();
  await until("it says so", async () => /^Not live since \d\d:\d\d:\d\d UTC/.test(await text(page, "#live")));
  const run = await pullRequest("while-cut", "succeed");
  line.mend();
  await isLive(page);
  await until("what was missed is read", async () => (await text(page, ".newer")).startsWith("1 newer"));
  check(run.id, "there is a run");
  await page.context().close();
  line.close();
});

await test("silence for 40 seconds is no life", async () => {
  const line = await link();
  const page = await (await open()).newPage();
  await page.clock.install();
  await signIn(page, undefined, line.url);
  await goLive(page, "/ui", line.url);
  line.hold();
  await page.clock.fastForward(39_000);
  check((await text(page, "#live")).startsWith("Live "), "it waits");
  await page.clock.fastForward(2_000);
  await until("it says so", async () => (await text(page, "#live")).startsWith("Not live since"));
  line.cut();
  await page.context().close();
  line.close();
});

await test("a tab that nobody sees and a paused one have no stream", async () => {
  const line = await link();
  const page = await signedIn({}, undefined, line.url);
  await goLive(page, "/ui/runs", line.url);
  equal(line.streams(), 1, "the streams");
  const see = (isHidden) => page.evaluate((hidden) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event("visibilitychange"));
  }, isHidden);
  await see(true);
  await until("the stream ends", () => line.streams() === 0);
  await pullRequest("unseen", "succeed");
  await see(false);
  await until("it is read again", async () => (await text(page, ".newer")).startsWith("1 newer"));
  await page.getByRole("button", { name: "Pause" }).click();
  await until("the stream ends", () => line.streams() === 0);
  check((await text(page, "#live")).startsWith("Paused at "), "it says so");
  await page.reload();
  check((await text(page, "#live")).startsWith("Paused at "), "it stays so in this tab");
  await page.getByRole("button", { name: "Resume" }).click();
  await isLive(page);
  await page.context().close();
  line.close();
});

await test("seven open pages are live at the same time as an eighth is read", async () => {
  const context = (await signedIn()).context();
  const pages = [];
  for (let tab = 0; tab < 7; tab += 1) {
    const page = await context.newPage();
    await page.goto(`${GATEWAY}/ui`);
    // A browser shows one tab at a time: the others are hidden, and have no stream.
    const isSeen = tab === 6;
    await page.evaluate((seen) => {
      Object.defineProperty(document, "hidden", { configurable: true, get: () => !seen });
      document.dispatchEvent(new Event("visibilitychange"));
    }, isSeen);
    pages.push(page);
  }
  await isLive(pages[6]);
  const answer = await pages[0].goto(`${GATEWAY}/ui/audit`);
  equal(answer.status(), 200, "the answer");
  await context.close();
});

await test("a part that cannot be read stays, and says how old it is", async () => {
  const run = await pullRequest("old", "never_report");
  const page = await signedIn();
  let isBroken = false;
  await page.route("**/ui/runs/*part=head*", (route) =>
    isBroken ? route.fulfill({ status: 503, body: "<h1>Busy</h1>" }) : route.continue());
  await goLive(page, `/ui/runs/${run.id}`);
  isBroken = true;
  await report(run.id, { state: "running" });
  await until("it says so", async () => (await page.getByText(/This is as of \d\d:\d\d:\d\d UTC/).count()) === 1);
  check(!(await page.content()).includes("Busy"), "and shows no error page");
  isBroken = false;
  await report(run.id, { state: "succeeded" });
  await until("it is read again", async () => (await text(page, ".state .badge")).includes("Succeeded"));
  equal(await page.getByText("This is as of").count(), 0, "the notes");
  await page.context().close();
});

await test("a session that has ended is asked for again", async () => {
  const run = await pullRequest("signed-out", "never_report");
  const page = await signedIn();
  await goLive(page, "/ui/runs");
  const other = await page.context().newPage();
  await other.goto(`${GATEWAY}/ui/audit`);
  await other.getByRole("button", { name: "Sign out" }).click();
  await report(run.id, { state: "succeeded" });
  await until("it says so", async () => (await page.locator("h1").textContent()) === "Sign in to see this");
  await page.getByRole("link", { name: "Sign in" }).click();
  equal(await page.locator("input[name=to]").inputValue(), "/ui/runs", "where it leads back");
  await page.context().close();
});

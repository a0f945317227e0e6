// A new installation, from nothing to a green check: what its page says at each step, and that it
// becomes the overview by itself.

import { JO, SERVICE_USER, atEntra, choose, enter } from "./entra.mjs";
import { check, equal, fresh, heading, inspect, isLive, open, test, until } from "./tools.mjs";

// What is done, and what is next.
const steps = (page) => page.locator(".setup li").evaluateAll((all) => ({
  done: all.filter((li) => li.querySelector(".badge").textContent.trim() === "done").length,
  next: all.find((li) => li.matches("[aria-current=step]"))?.querySelector(":scope > span:last-child").textContent.trim().replace(/\s+/g, " "),
}));
const untilNext = (page, words) => until(`this is next: ${words}`, async () => {
  const found = await steps(page);
  if (!found.next?.includes(words)) throw new Error(JSON.stringify(found));
  return found;
});

await test("an installation is set up step by step, and its page becomes the overview", async () => {
  await fresh.fake(`identities/${SERVICE_USER}/deny`, { permission: "EditSubscriptions" });
  await atEntra(SERVICE_USER, JO.user);
  const page = await (await open()).newPage();
  await enter(page, "/ui");
  equal(await heading(page), "Setting up", "what is shown first");
  await isLive(page);
  await page.evaluate(() => { window.isSame = true; });
  await untilNext(page, "A service user is linked");
  await inspect(page, "setup-nobody-is-linked");

  // The page stays open beside what the operator does.
  const other = await page.context().newPage();
  await other.goto(`${fresh.url}/ui`);
  await other.locator(".setup").getByRole("link", { name: "Connections" }).click();
  await other.getByRole("link", { name: "Link a service user" }).click();
  await choose(other, JO.user);
  equal(await heading(other), "No account was linked", "the wrong account");
  check((await other.content()).includes(SERVICE_USER), "it says which one is expected");
  await inspect(other, "connect-refused");
  await other.getByRole("link", { name: "Connections" }).click();
  await other.getByRole("link", { name: "Link a service user" }).click();
  await choose(other, SERVICE_USER);
  equal(await heading(other), `${SERVICE_USER} is linked`, "the right one");
  await inspect(other, "connect-linked");
  await other.getByRole("link", { name: "Overview" }).click();
  equal(await heading(other), "Setting up", "where that leads");
  const [linked] = (await fresh.api("/v1/audit?action=link&outcome=done")).items;
  equal([linked.actor, linked.via], [JO.user, "session"], "who linked it");

  await untilNext(page, "Permissions: something is refused");
  await inspect(page, "setup-permissions");
  await other.goto(`${fresh.url}/ui`);
  await other.locator(".setup").getByRole("link", { name: "Look" }).click();
  check((await other.locator("main").textContent()).includes("--allow-bit 2"), "the command that grants it");
  await inspect(other, "permissions-one-is-missing");
  await other.goto(`${fresh.url}/ui`);
  await other.locator(".setup").getByRole("link", { name: "Plan" }).click();
  await inspect(other, "plan-of-the-first-hooks");
  await fresh.fake(`identities/${SERVICE_USER}/allow`, { permission: "EditSubscriptions" });
  await other.getByRole("button", { name: "Apply 4 steps" }).click();
  // The gateway tries again by itself, and may have been first: then the plan is another one.
  check(["The plan is being applied", "This was not done"].includes(await heading(other)), "the plan is applied");
  await inspect(other, "plan-is-applied");
  await other.close();

  await untilNext(page, "Azure DevOps reaches the gateway");
  check((await page.locator(".setup").textContent()).includes("4 of 4 are enabled"), "hooks are made");
  await inspect(page, "setup-hooks");
  await fresh.fake("push", { repository: "Fabrikam/web", branch: "notes", comment: "No check watches this" });
  await untilNext(page, "A CI has started a run");
  const run = await fresh.pullRequest("first", "never_report");
  await untilNext(page, "Azure DevOps shows a green check");
  await inspect(page, "setup-started");
  check(await page.evaluate(() => window.isSame), "the page was not loaded again so far");
  await fresh.report(run.id, { state: "succeeded", description: "12 tests" });
  await until("the overview is there", async () => (await heading(page)) === "Overview");
  equal(page.url(), `${fresh.url}/ui`, "its address");
  await isLive(page);
  await inspect(page, "overview-after-setup");
  await page.goto(`${fresh.url}/ui/setup`);
  equal(await steps(page), { done: 8 }, "the steps in the end");
  check((await page.locator("main").textContent()).includes("Everything is set up."), "it says so");
  await inspect(page, "setup-done");
  await page.context().close();
});

// The questions that pages are for, each answered within three clicks of an operator who has just
// signed in. Finding something counts as one.

import { FAKES, GATEWAY, OPERATOR, api, check, equal, fake, heading, keep, pullRequest, signedIn, test, until } from "./tools.mjs";

const clicks = {};
// Somebody who looks for the answer to a question.
async function asking(question, look) {
  await test(question, async () => {
    const page = await signedIn({}, OPERATOR);
    clicks[question] = 0;
    const counted = async (act) => { clicks[question] += 1; await act(); await page.waitForLoadState(); };
    const click = (place) => counted(() => place.first().click());
    const find = (words) => counted(async () => {
      await page.getByRole("searchbox").fill(words);
      await page.getByRole("searchbox").press("Enter");
    });
    const shows = (words) => until(`it shows ${words}`, () => page.getByText(words).first().isVisible());
    await look({ page, click, find, shows });
    check(clicks[question] <= 3, `${clicks[question]} clicks`);
    await page.context().close();
  });
}

await asking("Why did this run?", async ({ page, click, find, shows }) => {
  const run = await pullRequest("asked-why", "succeed");
  await find(run.commit);
  await shows("unit-tests");
  await click(page.locator('.timeline a[href*="/deliveries/"]'));
  await shows("unit-tests");
  check((await heading(page)).startsWith("Delivery"), await heading(page));
});

await asking("Why did nothing run?", async ({ page, click, find, shows }) => {
  await fake("push", { repository: "Fabrikam/web", branch: "nobody-checks", comment: "No check is about it" });
  await until("it is decided", async () => (await api("/v1/deliveries?limit=20")).items.every((one) => one.outcome));
  await find("nobody-checks");
  await shows("nobody-checks");
  await click(page.locator('.timeline a[href*="/deliveries/"]'));
  await shows("unit-tests");
});

await asking("What is broken, and which runs have to run again?", async ({ page, click, shows }) => {
  await fake("ci", { behaviour: "refuse" });
  const { commit } = await fake("push", { repository: "Fabrikam/web", branch: "not-started", comment: "The CI refuses" });
  await fake("pull-requests", { repository: "Fabrikam/web", source: "not-started", title: "Refused by the CI" });
  const isRefused = async () => (await api(`/v1/runs?commit=${commit}`)).items.some((run) => run.state === "errored");
  await until("the CI has refused", isRefused);
  await page.reload();
  await shows("no such pipeline");
  await click(page.locator(".problems li", { hasText: "no such pipeline" }).locator("a"));
  await shows("no such pipeline");
  await fake("ci", { behaviour: "succeed" });
  await click(page.getByRole("link", { name: "Run again what it did not start" }));
  await click(page.getByRole("button", { name: /^Run/ }));
  const isAgain = async () => (await api(`/v1/runs?commit=${commit}`)).items.some((run) => run.state === "succeeded");
  await until("it has run again", isAgain);
});

await asking("Did Azure DevOps tell us?", async ({ page, click, find, shows }) => {
  await find(`${FAKES}/fabrikam/Fabrikam/_git/web/pullrequest/424242`);
  await shows("Hooks tell the gateway what happens at Azure DevOps");
  await click(page.getByRole("link", { name: /Azure DevOps now/ }));
});

await asking("Who are we at Azure DevOps, and what ends?", async ({ page, click, shows }) => {
  await click(page.getByRole("link", { name: "Connections" }));
  await shows("fabrikam");
  equal(await heading(page), "Connections", "the page");
});

await asking("What happened to a pull request, and who was slow?", async ({ page, shows }) => {
  const run = await pullRequest("who-is-slow", "succeed");
  const { pull_request: id } = await api(`/v1/runs/${run.id}`);
  await page.goto(`${GATEWAY}/ui/fabrikam/Fabrikam/_git/web/pullrequest/${id}`);
  await shows("Whose time:");
  await shows("What happened");
});

keep("clicks.json", JSON.stringify(clicks, null, 2));
console.log(Object.entries(clicks).map(([question, count]) => `${count}  ${question}`).join("\n"));

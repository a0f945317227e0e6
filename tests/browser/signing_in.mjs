// People sign in with Entra, and see what their role lets them.

import { DEE, JO, SERVICE_USER, VI, account, asked, at, atEntra, choose, enter } from "./entra.mjs";
import { check, equal, fresh, heading, inspect, open, test, until } from "./tools.mjs";

const run = await fresh.pullRequest("signing-in", "never_report");
await fresh.fake("repositories/create", { repository: "Fabrikam/vault" });
await fresh.fake(`identities/${DEE.user}/deny`, { permission: "GenericRead", repository: "Fabrikam/vault" });
const secret = await fresh.pullRequest("secret", "never_report", "Nobody knows", "Fabrikam/vault");

const shows = async (page, who, path) => {
  equal(await account(page), `${who.user} ${who.role}`, "who has signed in");
  equal(at(page), path, "where they are");
};
const cookies = async (page) => (await page.context().cookies()).map(({ name }) => name.replace("azdo_gateway_", "")).sort();

await test("an operator signs in with Microsoft, is where they wanted to go, and signs out", async () => {
  await atEntra(JO.user);
  const page = await (await open()).newPage();
  await asked(page, "/ui/runs?state=running");
  await inspect(page, "login-with-microsoft");
  await page.getByRole("link", { name: "Sign in with Microsoft" }).click();
  await shows(page, JO, "/ui/runs?state=running");
  equal(await cookies(page), ["refresh", "session"], "the cookies");
  for (const { httpOnly, sameSite } of await page.context().cookies()) {
    equal([httpOnly, sameSite], [true, "Lax"], "who gets them");
  }
  await page.getByRole("link", { name: "Connections" }).first().click();
  await until("operators may link", () => page.getByRole("link", { name: "Link again" }).isVisible());
  await page.getByRole("button", { name: "Sign out" }).click();
  equal(await heading(page), "Sign in", "where signing out leads");
  equal(await cookies(page), [], "the cookies");
  await page.goBack();
  equal(await heading(page), "Sign in to see this", "what the browser has kept of the page");
  await page.context().close();
});

await test("somebody else signs in with another account, and only looks", async () => {
  await atEntra(VI.user, JO.user);
  const page = await (await open()).newPage();
  await asked(page, "/ui/connections");
  await page.getByRole("link", { name: "Use another account" }).click();
  await choose(page, VI.user);
  await shows(page, VI, "/ui/connections");
  equal(await page.getByRole("link", { name: /Link|Unlink/ }).count(), 0, "what viewers link");
  const answer = await page.goto(`${fresh.url}/ui/organizations/fabrikam/unlink`);
  equal([answer.status(), await heading(page)], [403, "This was not done"], "what viewers do");
  await inspect(page, "not-for-viewers");
  const connect = await page.goto(`${fresh.url}/connect/fabrikam`);
  equal([connect.status(), await heading(page)], [401, "This needs an operator"], "nor do they link");
  await inspect(page, "connect-needs-an-operator");
  await page.context().close();
});

await test("a developer sees what Azure DevOps lets them read, and another account the rest", async () => {
  await atEntra(JO.user, DEE.user);
  const page = await (await open()).newPage();
  await enter(page, `/ui/runs/${run.id}`);
  await shows(page, DEE, `/ui/runs/${run.id}`);
  await inspect(page, "run-for-developers");
  equal(await page.locator(".side a").allTextContents(), ["Find"], "the areas that they have");
  await page.getByRole("link", { name: "azdo-gateway" }).click();
  equal(at(page), "/ui/find", "where they begin");
  await page.getByRole("searchbox").fill(secret.commit);
  await page.getByRole("searchbox").press("Enter");
  check((await page.locator("main").textContent()).includes("Nothing is known of"), "a hidden commit is not found");
  await inspect(page, "find-for-developers");
  const answer = await page.goto(`${fresh.url}/ui/runs/${secret.id}`);
  equal([answer.status(), await heading(page)], [404, "Nothing is here"], "a hidden run");
  await inspect(page, "nothing-for-developers");
  await page.getByRole("link", { name: "Sign in with another account" }).click();
  await choose(page, JO.user);
  await shows(page, JO, `/ui/runs/${secret.id}`);
  check((await heading(page)).includes("Fabrikam/vault"), "it is there for others");
  await page.context().close();
});

await test("who is refused learns why, and then goes where they wanted to", async () => {
  await atEntra(VI.user);
  await fresh.fake(`entra/users/${VI.user}`, { consent: "declined" });
  const page = await (await open()).newPage();
  await enter(page, "/ui/audit?action=link");
  equal(await heading(page), "You were not signed in", "a person who does not consent");
  check((await page.locator("main").textContent()).includes("AADSTS65004"), "it says what Entra said");
  await inspect(page, "sign-in-refused");
  equal(await cookies(page), [], "the cookies");
  await fresh.fake(`entra/users/${VI.user}`, { consent: "given" });
  // An account of another tenant.
  await fresh.fake("entra/forge", { how: "WrongTenant" });
  const again = async () => {
    await page.getByRole("link", { name: "Sign in" }).click();
    await page.getByRole("link", { name: "Sign in with Microsoft" }).click();
  };
  await again();
  equal(await heading(page), "You were not signed in", "a person of another tenant");
  await inspect(page, "sign-in-of-another-tenant");
  await again();
  await shows(page, VI, "/ui/audit?action=link");
  await page.context().close();
});

await test("other sites lead to pages, and have nothing done", async () => {
  await atEntra(SERVICE_USER, JO.user);
  const page = await (await open()).newPage();
  await enter(page, "/ui");
  // A page of another site, such as that of the pull request.
  const elsewhere = async (html) => {
    await page.goto(fresh.elsewhere);
    await page.setContent(html);
    await page.locator("a, button").click();
  };
  await elsewhere(`<a href="${fresh.url}/ui/runs/${run.id}">ci/unit-tests</a>`);
  await shows(page, JO, `/ui/runs/${run.id}`);
  await elsewhere(`<form method="post" action="${fresh.url}/logout"><button>Win</button></form>`);
  await page.waitForURL(`${fresh.url}/logout`);
  equal(await heading(page), "You were not signed out", "a form that signs out");
  await inspect(page, "sign-out-refused");
  await elsewhere(`<form method="post" action="${fresh.url}/ui/runs/${run.id}/cancel"><button>Win</button></form>`);
  await page.waitForURL(`${fresh.url}/ui/runs/${run.id}/cancel`);
  equal(await heading(page), "Sign in to see this", "a form that cancels, without the session");
  await elsewhere(`<a href="${fresh.url}/connect/fabrikam">Win</a>`);
  equal(await heading(page), "This needs an operator", "a link to linking");
  await page.getByRole("link", { name: "Connections" }).click();
  await shows(page, JO, "/ui/connections");
  equal((await fresh.api(`/v1/runs/${run.id}`)).state, run.state, "the run");
  await page.context().close();
});

// How people use pages otherwise: without scripts, with the keyboard only, on paper, and with colours
// of their own.

import {
  GATEWAY, OPERATOR, VIEWER, check, equal, findings, goLive, heading, kept, open, pullRequest, signIn, signedIn, test, until,
} from "./tools.mjs";

const focused = (page) => page.evaluate(() => document.activeElement?.id || document.activeElement?.textContent.trim());

await test("everything works without scripts", async () => {
  const run = await pullRequest("no-scripts", "succeed", "Work <b>without</b> scripts");
  const page = await (await open({ javaScriptEnabled: false })).newPage();
  await page.goto(`${GATEWAY}/ui/runs/${run.id}`);
  equal(await heading(page), "Sign in to see this", "the heading");
  await page.getByRole("link", { name: "Sign in" }).click();
  await page.getByLabel("API token").fill("wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  check(await page.getByRole("alert").isVisible(), "a wrong token is refused");
  await page.getByLabel("API token").fill(VIEWER);
  await page.getByRole("button", { name: "Sign in" }).click();
  check((await heading(page)).startsWith("unit-tests on Fabrikam/web"), "it leads back");
  check(await page.getByText("Work <b>without</b> scripts").isVisible(), "text is text");
  check(!(await page.locator("#live, #help").first().isVisible()), "nothing is shown that needs scripts");

  await page.getByRole("link", { name: "Runs", exact: true }).first().click();
  await page.getByLabel("State").selectOption("succeeded");
  await page.getByRole("button", { name: "Filter" }).click();
  check(page.url().includes("state=succeeded"), "the filter is in the address");
  await page.goto(`${GATEWAY}/ui/runs?limit=1`);
  await page.getByRole("link", { name: "Older" }).click();
  equal(await page.locator("tbody tr").count(), 1, "the older rows");
  await page.getByRole("searchbox").fill(run.commit);
  await page.getByRole("searchbox").press("Enter");
  check(page.url().includes(`commit/${run.commit}`), "find leads there");

  for (const [theme, colour] of [["light", "rgb(255, 255, 255)"], ["dark", "rgb(13, 17, 23)"]]) {
    await page.getByRole("button", { name: /Theme/ }).click();
    equal(await page.locator("html").getAttribute("data-theme"), theme, "the theme");
    equal(await page.locator("body").evaluate((body) => getComputedStyle(body).backgroundColor), colour, theme);
    check(page.url().includes(run.commit), "and the page is the same");
  }
  await page.getByRole("button", { name: "Sign out" }).click();
  equal(await heading(page), "Sign in", "the heading");
  equal(await page.locator("html").getAttribute("data-theme"), "dark", "the theme stays");
  await page.context().close();
});

await test("a keyboard is enough", async () => {
  const page = await signedIn();
  await goLive(page, "/ui");
  await page.keyboard.press("Tab");
  equal(await focused(page), "Skip to the content", "the first stop");
  await page.keyboard.press("Enter");
  equal(await focused(page), "content", "the next one");
  await page.keyboard.press("/");
  equal(await focused(page), "find", "after /");
  await page.keyboard.type("g r?");
  equal(await page.locator("#find").inputValue(), "g r?", "what was typed");
  await page.keyboard.press("Escape");
  await page.locator("#find").blur();
  await page.keyboard.press("g");
  await page.keyboard.press("r");
  await page.waitForURL(/\/ui\/runs$/);
  await page.keyboard.press("?");
  check(await page.locator("#keys").isVisible(), "? explains the keys");
  equal(await findings(page), [], "what axe finds in the dialog");
  await page.keyboard.press("Escape");
  check(!(await page.locator("#keys").isVisible()), "Escape closes it");

  // They can be off.
  await page.getByRole("button", { name: "Keys" }).click();
  await page.getByLabel("Keys are on").uncheck();
  await page.getByRole("button", { name: "Close" }).click();
  await page.reload();
  await page.keyboard.press("?");
  check(!(await page.locator("#keys").isVisible()), "no key does anything");

  // Every stop can be seen: it has an outline, and the bar is not over it.
  await page.goto(`${GATEWAY}/ui/runs`);
  for (let stop = 0; stop < 40; stop += 1) {
    await page.keyboard.press("Tab");
    const found = await page.evaluate(() => {
      const at = document.activeElement;
      const { top, height } = at.getBoundingClientRect();
      const isSticky = at.closest(".bar, .skip") !== null;
      const style = getComputedStyle(at);
      return { html: at.outerHTML.slice(0, 80), height, style: style.outlineStyle, isHidden: !isSticky && top < document.querySelector(".bar").getBoundingClientRect().bottom - 1 };
    });
    if (found.html.startsWith("<body")) break;
    check(found.style !== "none" && !found.isHidden, `it can be seen: ${JSON.stringify(found)}`);
  }
  await page.context().close();
});

await test("what is printed has no controls, and everything in it", async () => {
  const page = await signedIn();
  await page.goto(`${GATEWAY}/ui/deliveries?outcome=started`);
  await page.locator("tbody a").first().click();
  await page.locator(".sent summary").click();
  check(!(await page.locator(".sent pre").isVisible()), "it is closed");
  await page.emulateMedia({ media: "print" });
  for (const gone of [".bar", ".side", ".foot", ".skip"]) {
    check(!(await page.locator(gone).isVisible()), `${gone} is printed`);
  }
  const time = page.locator("main time").first();
  const printed = await time.evaluate((element) => getComputedStyle(element, "::after").content);
  check(/20\d\d-\d\d-\d\dT/.test(printed), `times are absolute: ${printed}`);
  // Printing opens what is closed, and closes it again.
  await page.evaluate(() => { addEventListener("beforeprint", () => { window.wasOpen = document.querySelector(".sent").open; }); });
  await page.pdf({ path: kept("delivery.pdf") });
  check(await page.evaluate(() => window.wasOpen !== false), "it is printed open");
  check(!(await page.locator(".sent").evaluate((details) => details.open)), "and closed again");
  await page.context().close();
});

await test("colours of the system and less motion are respected", async () => {
  const page = await signedIn({ forcedColors: "active", reducedMotion: "reduce" });
  await goLive(page, "/ui");
  const border = () => page.locator(".state > .badge").first().evaluate((badge) => getComputedStyle(badge).borderTopStyle);
  await until("a state has an edge", async () => (await border()) === "solid");
  equal(await findings(page), [], "what axe finds");
  await page.screenshot({ path: kept("overview-forced-colours.png") });
  await page.evaluate(() => { Element.prototype.animate = () => { window.hasMoved = true; }; });
  const run = await pullRequest("no-motion", "succeed");
  await until("the run is counted", async () => (await page.locator(".newer").textContent()).includes("newer"));
  check(!(await page.evaluate(() => window.hasMoved)), `${run.id} moves`);
  await page.context().close();
});

await test("what people and neighbours write is text", async () => {
  const titles = [
    "<script>document.title='taken'</script><img src=x onerror=document.title='taken'>",
    "right\u202eto left", `${"long ".repeat(800)}end`, "unbroken".repeat(500),
  ];
  const page = await signedIn({}, OPERATOR);
  for (const [number, title] of titles.entries()) {
    const run = await pullRequest(`hostile-${number}`, "succeed", title.slice(0, 4000));
    for (const width of [320, 1280]) {
      await page.setViewportSize({ width, height: 800 });
      await page.goto(`${GATEWAY}/ui/runs/${run.id}`);
      check((await page.title()) !== "taken", "a title is run");
      const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      check(over <= 0, `${title.slice(0, 20)} is ${over} px too wide at ${width} px`);
    }
  }
  check(!(await page.content()).includes("\u202e"), "no character is obeyed");
  await page.context().close();
});

await test("a foreign session is none", async () => {
  const page = await (await open()).newPage();
  await page.context().addCookies([{ name: "azdo_gateway_session", value: "AAAA", url: GATEWAY }]);
  const answers = [];
  for (const path of ["/ui", "/ui/runs/0199a3c1-3b5e-7000-8000-000000000001", "/ui/nothing"]) {
    const answer = await page.goto(`${GATEWAY}${path}`);
    equal(answer.status(), 401, path);
    answers.push((await page.content()).replace(/to=[^"]*/, ""));
  }
  check(new Set(answers).size === 1, "the answers are alike");
  await signIn(page);
  check((await page.locator(".account").textContent()).includes("viewer"), "and a good one is taken");
  await page.context().close();
});

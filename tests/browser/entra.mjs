// Signing in with the fake Entra, which is another site than the gateway.

import { check, equal, fresh, heading } from "./tools.mjs";

export const SERVICE_USER = "svc-ci@fabrikam.example";
// Who they are to the gateway.
export const JO = { user: "jo@fabrikam.example", role: "operator" };
export const VI = { user: "vi@fabrikam.example", role: "viewer" };
export const DEE = { user: "dee@fabrikam.example", role: "developer" };

// These are signed in at Entra, which takes the last one where it does not ask.
export async function atEntra(...users) {
  await fresh.fake("entra/sign-out", {});
  for (const user of users) await fresh.fake("entra/sign-in", { user });
}
// Entra asks for the account.
export async function choose(page, user) {
  await page.waitForLoadState();
  equal(await page.title(), "Pick an account", "what Entra asks");
  check(new URL(page.url()).hostname !== new URL(fresh.url).hostname, "it is another site");
  await page.getByRole("link", { name: user, exact: true }).click();
}
// Opens a page that asks for a sign-in, and goes as far as the button that leads to Entra.
export async function asked(page, path) {
  const answer = await page.goto(`${fresh.url}${path}`);
  equal([answer.status(), await heading(page)], [401, "Sign in to see this"], path);
  await page.getByRole("link", { name: "Sign in" }).click();
  equal(await heading(page), "Sign in", "the next page");
}
// Signs in whoever Entra takes.
export async function enter(page, path) {
  await asked(page, path);
  await page.getByRole("link", { name: "Sign in with Microsoft" }).click();
}
export async function account(page) {
  await page.waitForLoadState();
  return (await page.locator(".account span").textContent()).trim();
}
export const at = (page) => page.url().slice(fresh.url.length);

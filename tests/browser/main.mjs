// The pages in a real browser. A test of tests/it starts this, with a gateway and its neighbours at the
// addresses in GATEWAY and FAKES, tokens of an operator and a viewer, and an installation that nobody
// has set up in NEW_GATEWAY and NEW_FAKES. What was seen is kept in target/browser: pictures of every
// page, and how large and fast each is.

import { browser, complaints, equal, finish, test } from "./tools.mjs";

await import("./live.mjs");
await import("./people.mjs");
await import("./questions.mjs");
await import("./setup.mjs");
await import("./signing_in.mjs");
await import("./pages.mjs");
await test("no page has said anything to the console", () => equal(complaints, [], "what was said"));
await browser.close();
finish();

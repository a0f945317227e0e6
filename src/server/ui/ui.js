// What pages do beyond links and forms: they read again what has changed, show local time, and take
// a few keys. Everything else works without this script.
(() => {
  "use strict";
  const script = document.currentScript;
  const find = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const make = (name, properties) => Object.assign(document.createElement(name), properties);
  const clock = (at) => `${new Date(at).toISOString().slice(11, 19)} UTC`;
  // For those who do not see what changes.
  const say = (words) => { find("#news").textContent = words; };

  // ---- Times: of the person who looks, and as they pass ----
  let ahead = 0; // How far the gateway's clock is ahead of the browser's.
  const rounded = (s) => s < 60 ? `${s} s` : s < 3600 ? `${s / 60 | 0} min`
    : s < 172800 ? `${s / 3600 | 0} h` : `${s / 86400 | 0} days`;
  const times = (within) => all("time[datetime]", within).forEach((time) => {
    const at = Date.parse(time.dateTime);
    if (Number.isNaN(at)) return;
    time.title = `${new Date(at).toLocaleString()} (${time.dateTime})`;
    const past = (Date.now() + ahead - at) / 1000;
    const words = past <= -1 ? `in ${rounded(-past | 0)}` : past >= 1 ? `${rounded(past | 0)} ago` : "now";
    if (time.textContent !== words) time.textContent = words;
  });

  // ---- Regions: parts of the page that are read again ----
  // Changes `old` to what `fresh` is. What is the same stays, with focus, what was typed, what was
  // opened, and how far it was scrolled.
  const morph = (old, fresh) => {
    if (old.isEqualNode(fresh)) return;
    if (old.nodeName !== fresh.nodeName) return old.replaceWith(fresh);
    if (old.nodeType !== 1) { old.nodeValue = fresh.nodeValue; return; }
    for (const { name } of [...old.attributes]) {
      if (name !== "open" && !fresh.hasAttribute(name)) old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) {
      if (name !== "open" && old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    let at = old.firstChild;
    for (const next of [...fresh.childNodes]) {
      // Parsers leave space out at the beginning.
      while (at?.nodeType === 3 && next.nodeType === 1 && !at.data.trim()) {
        const space = at;
        at = at.nextSibling;
        space.remove();
      }
      const same = next.id && [...old.children].find((child) => child.id === next.id);
      if (same) {
        if (same === at) at = at.nextSibling; else old.insertBefore(same, at);
        change(same, next);
      } else if (at && at.nodeName === next.nodeName && !at.id && !next.id) {
        const here = at;
        at = at.nextSibling;
        morph(here, next);
      } else {
        old.insertBefore(next, at);
      }
    }
    while (at) { const gone = at; at = at.nextSibling; gone.remove(); }
  };
  const words = (element) => all(".badge", element).map((badge) => badge.textContent).join();
  // A row with another state is seen to change.
  const change = (old, fresh) => {
    const before = words(old);
    morph(old, fresh);
    if (before !== words(old) && !matchMedia("(prefers-reduced-motion: reduce)").matches) {
      old.animate([{ background: "var(--info-tint)" }, {}], 1000);
    }
  };

  const rows = (within) => all("tbody > tr[id]", within);
  // A list shows what became of its rows, and how many there are above them; it never inserts any.
  const list = (region, fresh) => {
    const known = new Map(rows(region.element).map((row) => [row.id, row]));
    if (!known.size) return morph(region.element, fresh);
    const now = rows(fresh);
    const first = now.findIndex((row) => known.has(row.id));
    const newer = first < 0 ? now.length : first;
    const isLater = new URLSearchParams(location.search).has("cursor");
    now.forEach((row) => known.has(row.id) && change(known.get(row.id), row));
    // A row that is not there any more does not match the filters any more, or was deleted; unless
    // the newer ones have only pushed it to the next page.
    const here = new Set(now.map((row) => row.id));
    let isAbove = region.part === "list" && !find("a[rel=next]", fresh);
    [...known.values()].reverse().forEach((row) => {
      isAbove ||= here.has(row.id);
      row.classList.toggle("gone", isAbove && !here.has(row.id));
    });
    const note = find(`[data-newer="${region.part}"]`) ?? make("p");
    if (isLater || !newer) return note.replaceChildren();
    const text = `${newer}${first < 0 ? " or more" : ""} newer `;
    if (note.textContent.startsWith(text)) { region.fresh = fresh; return; }
    region.fresh = fresh;
    const show = make("button", { type: "button", textContent: "Show" });
    show.onclick = () => {
      region.element.replaceChildren(...region.fresh.childNodes);
      note.replaceChildren();
      times(region.element);
      region.element.tabIndex = -1;
      region.element.focus({ preventScroll: true });
    };
    note.replaceChildren(text, show);
    say(text);
  };

  const regions = all("[data-part]").map((element) => ({
    element, part: element.dataset.part, kinds: element.dataset.live.split(" "), at: Date.now(),
  }));
  const concerns = ({ kinds }, kind, id) =>
    kinds.some((it) => it === kind || it === `${kind}:${id}` || (id === null && it.startsWith(`${kind}:`)));

  const read = async (region, isAsked = false) => {
    if (region.isBusy || !(source || isAsked)) { region.isDue = true; return; }
    region.isBusy = true;
    region.isDue = false;
    const begun = performance.now();
    try {
      const url = new URL(location);
      url.hash = "";
      url.searchParams.set("part", region.part);
      const answer = await fetch(url, { cache: "no-store" });
      if ([205, 401].includes(answer.status)) return location.reload();
      if (!answer.ok) throw new Error(answer.status);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = region.element.cloneNode(false);
      fresh.append(...page.body.childNodes);
      times(fresh);
      const news = () => find("[data-news]", region.element)?.firstElementChild.textContent;
      const before = news();
      if ("list" in region.element.dataset) list(region, fresh); else morph(region.element, fresh);
      if (before !== news()) say(news());
      region.at = Date.now();
      region.old?.remove();
      region.old = null;
    } catch {
      // What is there stays, and says how old it is.
      region.old ??= region.element.insertAdjacentElement("beforebegin", make("p", { className: "note warn" }));
      region.old.textContent = `This is as of ${clock(region.at + ahead)}: the gateway does not answer.`;
    }
    // A page takes at most a tenth of the time that it has the gateway work.
    const wait = Math.max(1000, 10 * (performance.now() - begun));
    setTimeout(() => { region.isBusy = false; if (region.isDue) read(region); }, wait);
  };

  // ---- The stream that says what has changed ----
  const state = find("#live");
  const address = new URL("../../live", script.src);
  // The gateway tells of nothing else.
  address.searchParams.set("about", state.dataset.about);
  const SILENCE_MAX_MS = 40000;
  let source = null, silence, again, tries = 0, heardAt = Date.now();
  let isPaused = sessionStorage.getItem("paused") === "yes";
  const label = make("span");
  const pause = make("button", { type: "button" });
  const show = (words, name) => {
    label.textContent = words;
    state.className = `live ${name}`;
    pause.textContent = isPaused ? "Resume" : "Pause";
  };
  const stop = () => {
    source?.close();
    source = null;
    clearTimeout(silence);
    clearTimeout(again);
  };
  const lost = () => {
    // Refused: who looks may not be signed in any more, which reading tells.
    if (source?.readyState === EventSource.CLOSED) read(regions[0], true);
    stop();
    const text = `Not live since ${clock(heardAt + ahead)}`;
    if (label.textContent !== text) { show(text, "warn"); say(text); }
    // Others have lost theirs at the same time.
    again = setTimeout(start, Math.min(30000, 1000 * 2 ** tries) * (0.75 + Math.random() / 2));
    tries = Math.min(tries + 1, 5);
  };
  const heard = () => {
    heardAt = Date.now();
    show(`Live ${clock(heardAt + ahead)}`, "good");
    clearTimeout(silence);
    silence = setTimeout(lost, SILENCE_MAX_MS);
  };
  const start = () => {
    stop();
    if (isPaused) return show(`Paused at ${clock(heardAt + ahead)}`, "neutral");
    if (document.hidden) return;
    source = new EventSource(address);
    silence = setTimeout(lost, SILENCE_MAX_MS);
    source.onerror = lost;
    let isFirst = true;
    source.addEventListener("beat", ({ data }) => {
      ahead = Date.parse(JSON.parse(data).at) - Date.now();
      heard();
      tries = 0;
      // What was said while nobody listened is lost.
      regions.forEach((region) => (isFirst || concerns(region, "beat")) && read(region));
      isFirst = false;
    });
    source.addEventListener("changed", ({ data }) => {
      const { kind, id } = JSON.parse(data);
      heard();
      regions.forEach((region) => concerns(region, kind, id) && read(region));
    });
  };
  if (regions.length) {
    pause.onclick = () => {
      isPaused = !isPaused;
      sessionStorage.setItem("paused", isPaused ? "yes" : "no");
      start();
    };
    state.append(label, " ", pause);
    show("Live …", "neutral");
    start();
    // Browsers open few connections to a host: tabs that nobody sees take none.
    document.addEventListener("visibilitychange", () => document.hidden ? stop() : start());
    addEventListener("pagehide", stop);
    addEventListener("pageshow", ({ persisted }) => persisted && start());
  }
  times();
  setInterval(() => document.hidden || times(), 10000);

  // ---- Keys ----
  const dialog = find("#keys"), isOn = find("#keys-on");
  isOn.checked = localStorage.getItem("keys") !== "off";
  isOn.onchange = () => localStorage.setItem("keys", isOn.checked ? "on" : "off");
  find("#help").onclick = () => dialog.showModal();
  let isGoing = 0;
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest?.("input, textarea, select, dialog");
    if (!isOn.checked || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    const area = Date.now() < isGoing && /^[a-z]$/.test(event.key) && find(`[data-key=${event.key}]`);
    isGoing = event.key === "g" ? Date.now() + 2000 : 0;
    if (area) area.click();
    else if (event.key === "/") find("#find").focus();
    else if (event.key === "?") dialog.showModal();
    else return;
    event.preventDefault();
  });

  // ---- Print: everything is open ----
  addEventListener("beforeprint", () => all("main details:not([open])").forEach((it) => { it.open = true; it.dataset.closed = ""; }));
  addEventListener("afterprint", () => all("details[data-closed]").forEach((it) => { it.open = false; delete it.dataset.closed; }));
})();

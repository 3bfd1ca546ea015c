/** Many vehicles: rows that do not exist are not paid for, and frames keep coming while events pour in. */

import assert from "node:assert/strict";
import { cpus } from "node:os";
import { after, before, describe, test } from "node:test";
import { BROWSERS, Cars, Server, enter, launch, lent, live, newPage, text, until } from "./rig.mjs";

const MANY = 5000;
const BUSY = 2000;
const FPS = 55; // wherever the machine has time for it …
const IDLE = 0.1; // … which is so while this share of its processors is idle
const SCRIPT = 0.35; // of a second, in each second, is what the page's own code may take at most, on any machine
const WATCHED_MS = 8000;

/** Frames a second over so long, and the longest wait for one (ms), as requestAnimationFrame tells them. */
const frames = (page, ms) =>
  page.evaluate((span) => new Promise((resolve) => {
    const began = performance.now();
    let [count, longest, last] = [0, 0, began];
    const next = (at) => {
      count += 1;
      longest = Math.max(longest, at - last);
      last = at;
      if (at - began < span) requestAnimationFrame(next);
      else resolve({ fps: (count * 1000) / (at - began), longest });
    };
    requestAnimationFrame(next);
  }), ms);

/** Milliseconds that all processors together were idle, and that there were. */
function processors() {
  const times = cpus().map((one) => one.times);
  const sum = (parts) => parts.reduce((total, part) => total + part, 0);
  return { idle: sum(times.map(({ idle }) => idle)), all: sum(times.map((one) => sum(Object.values(one)))) };
}

const LIMIT = { timeout: 240_000 }; // what hangs is named, and the next test runs

for (const kind of BROWSERS) {
  describe(`${kind}: many vehicles`, { timeout: 1_200_000 }, () => {
    let browser;

    before(async () => (browser = await launch(kind)));
    after(() => browser?.close());

    test(`${MANY} vehicles scroll, sort and filter, with a few rows`, LIMIT, async (t) => {
      const server = lent(t, await Server.start());
      lent(t, await Cars.start(server, MANY, "--plain", "--every", "20"));
      const page = await newPage(t, browser);
      await enter(page, server);
      await live(page);
      await until(page, "all of them", (count) => document.getElementById("fleet-title").textContent === `${count} vehicles`, MANY);
      assert.ok((await page.$$eval(".line", (lines) => lines.length)) < 40);
      await page.focus('.line[tabindex="0"]');
      await page.keyboard.press("End");
      assert.match(await page.evaluate(() => document.activeElement.textContent), /^5YJ3TESTXPF/); // the greatest check digit
      assert.equal(await page.evaluate(() => document.activeElement.ariaRowIndex), String(MANY + 1));
      await page.evaluate(() => document.activeElement.blur());
      const scrolling = frames(page, 3000);
      await page.evaluate(() => {
        const body = document.getElementById("grid-body");
        const step = () => (body.scrollTop -= 400) > 0 && requestAnimationFrame(step);
        step();
      });
      const { fps, longest } = await scrolling;
      t.diagnostic(`scrolling ${MANY} rows: ${fps.toFixed(1)} frames/s, longest wait ${Math.round(longest)} ms`);
      await page.type("#search", "PF000123");
      await until(page, "one row", () => document.querySelectorAll(".line:not([hidden])").length === 1);
    });

    if (kind === "chrome") {
      test(`${BUSY} vehicles at an event a second each leave frames enough`, LIMIT, async (t) => {
        const server = lent(t, await Server.start());
        lent(t, await Cars.start(server, BUSY, "--plain", "--every", "1"));
        const page = await newPage(t, browser);
        await enter(page, server);
        await live(page);
        await until(page, "the rate", (least) => Number(document.getElementById("meter-rate").textContent) > least, BUSY * 0.9);
        const [began, spent] = [processors(), (await page.metrics()).ScriptDuration];
        const { fps, longest } = await frames(page, WATCHED_MS);
        const idle = (processors().idle - began.idle) / (processors().all - began.all);
        const script = ((await page.metrics()).ScriptDuration - spent) / (WATCHED_MS / 1000);
        t.diagnostic(`${await text(page, "#meter-rate")} events/s: ${fps.toFixed(1)} frames/s, longest wait ${Math.round(longest)} ms, ${Math.round(script * 1000)} ms of script a second, processors idle ${Math.round(idle * 100)} %, delay ${await text(page, "#meter-delay")}`);
        assert.ok(script < SCRIPT, `${script} s of script a second`);
        assert.ok(fps >= FPS || idle < IDLE, `${fps.toFixed(1)} frames/s while processors were idle for ${idle}`);
      });
    }
  });
}

/** Many vehicles: rows that do not exist are not paid for, and frames keep coming while events pour in. */

import assert from "node:assert/strict";
import { loadavg } from "node:os";
import { after, before, describe, test } from "node:test";
import { BROWSERS, Cars, Server, enter, launch, lent, live, newPage, text, until } from "./rig.mjs";

const MANY = 5000;
const BUSY = 2000;
const FPS = 55; // on a machine of its own …
const FPS_LEAST = 30; // … and on one that runs other things, too
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

for (const kind of BROWSERS) {
  describe(`${kind}: many vehicles`, { timeout: 300_000 }, () => {
    let browser;

    before(async () => (browser = await launch(kind)));
    after(() => browser?.close());

    test(`${MANY} vehicles scroll, sort and filter, with a few rows`, async (t) => {
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
      test(`${BUSY} vehicles at an event a second each leave frames enough`, async (t) => {
        const server = lent(t, await Server.start());
        lent(t, await Cars.start(server, BUSY, "--plain", "--every", "1"));
        const page = await newPage(t, browser);
        await enter(page, server);
        await live(page);
        await until(page, "the rate", (least) => Number(document.getElementById("meter-rate").textContent) > least, BUSY * 0.9);
        const { fps, longest } = await frames(page, WATCHED_MS);
        t.diagnostic(`${await text(page, "#meter-rate")} events/s: ${fps.toFixed(1)} frames/s, longest wait ${Math.round(longest)} ms, load average ${loadavg()[0]}, delay ${await text(page, "#meter-delay")}`);
        assert.ok(fps >= (loadavg()[0] < 1.5 ? FPS : FPS_LEAST), `${fps.toFixed(1)} frames/s`);
      });
    }
  });
}

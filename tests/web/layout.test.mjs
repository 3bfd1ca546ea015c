/** The page on small phones: no word is cut, nothing stands beside the screen. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { BROWSERS, Cars, Server, enter, launch, live, newPage, until } from "./rig.mjs";
import { LIMIT, clean, openFirstDriving } from "./steps.mjs";

/** Texts of those elements in sight that do not fit into them, or take more than one line. */
const cut = (page, selector) =>
  page.$$eval(selector, (all) => all
    .filter((node) => node.offsetParent && node.textContent)
    .filter((node) => node.scrollWidth > node.clientWidth + 1 || node.getBoundingClientRect().height > 2 * Number.parseFloat(getComputedStyle(node).fontSize))
    .map((node) => node.textContent));

for (const kind of BROWSERS) {
  describe(`${kind}: small screens`, { timeout: 1_200_000 }, () => {
    let browser;
    let server;
    let cars;

    before(async () => {
      browser = await launch(kind);
      server = await Server.start();
      cars = await Cars.start(server, 8, "--past", 120);
    });

    after(async () => {
      cars?.stop();
      await browser?.close();
      await server?.stop();
    });

    for (const width of [360, 390, 430]) {
      test(`at ${width} px no word is cut`, LIMIT, async (t) => {
        const page = await newPage(t, browser, { width, height: 844 });
        await enter(page, server);
        await live(page);
        const inside = () => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);
        assert.deepEqual(await cut(page, "#link-text, .line:not([hidden]) :is(.who span, .alerts, .state, .speed)"), []);
        assert.equal(await inside(), true);
        await openFirstDriving(page);
        await until(page, "charts of the past", () => [...document.querySelectorAll("#charts output")].every((node) => /\d/.test(node.textContent)));
        assert.deepEqual(await cut(page, "#charts output, .panes h2:not(.hush), .figures dt, .figures dd"), []);
        assert.equal(await inside(), true);
        clean(page);
      });
    }
  });
}

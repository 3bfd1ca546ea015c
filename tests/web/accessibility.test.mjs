/** The page for everyone: axe finds nothing wrong, on a desktop and on a phone, light and dark. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { BROWSERS, Cars, Server, enter, launch, live, newPage, until } from "./rig.mjs";
import { LIMIT, clean, openFirstDriving, violations } from "./steps.mjs";

const PHONE = { width: 390, height: 844 };
const CARS = 12;

for (const kind of BROWSERS) {
  describe(`${kind}: for everyone`, { timeout: 2_400_000 }, () => {
    let browser;

    before(async () => (browser = await launch(kind)));
    after(() => browser?.close());

    let server;
    let cars;

    before(async () => {
      server = await Server.start();
      cars = await Cars.start(server, CARS, "--past", 60);
    });
    after(async () => {
      cars?.stop();
      await server?.stop();
    });

    for (const scheme of kind === "chrome" ? ["dark", "light"] : ["light"]) {
      for (const size of [{}, PHONE]) {
        test(`axe finds nothing wrong: ${scheme}, ${size.width ? "phone" : "desktop"}`, LIMIT, async (t) => {
          const page = await newPage(t, browser, { scheme, ...size });
          await page.goto(server.page);
          assert.deepEqual(await violations(page), []);
          await enter(page, server);
          await page.reload();
          await live(page);
          assert.deepEqual(await violations(page), []);
          await openFirstDriving(page);
          assert.deepEqual(await violations(page), []);
          await page.click("#diagnose");
          await until(page, "figures", () => document.querySelectorAll("#figures dd").length > 5);
          assert.deepEqual(await violations(page), []);
          const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
          assert.equal(wide, false, "the page is wider than its window");
          clean(page);
        });
      }
    }
  });
}

/** The page when something goes wrong: the server dies or restarts, a token is refused or expires. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { BROWSERS, Cars, Server, enter, launch, lent, live, mint, newPage, text, token, until } from "./rig.mjs";
import { LIMIT, clean, violations } from "./steps.mjs";

const EXPECTED = /WebSocket|establish a connection|Failed to load resource|ERR_CONNECTION_REFUSED|interrupted while/; // browsers say it when a server is away

for (const kind of BROWSERS) {
  describe(`${kind}: trouble`, { timeout: 2_400_000 }, () => {
    let browser;

    before(async () => (browser = await launch(kind)));
    after(() => browser?.close());

    test("a page whose server was killed comes back by itself", LIMIT, async (t) => {
      let server = lent(t, await Server.start());
      const cars = lent(t, await Cars.start(server, 3));
      const page = await newPage(t, browser);
      await enter(page, server);
      await live(page);
      cars.stop();
      await server.stop("SIGKILL");
      await until(page, "the loss said", () => document.getElementById("link").dataset.state === "waiting" && document.body.dataset.link === "lost");
      server = lent(t, await Server.start({ port: server.port }));
      lent(t, await Cars.start(server, 3));
      await live(page);
      await until(page, "events of the new log", () => Number(document.getElementById("meter-rate").textContent) > 0);
      assert.match(await text(page, "#notices"), /started a new log/);
      clean(page, EXPECTED);
    });

    test("charts have names before a vehicle's past has come", LIMIT, async (t) => {
      const server = lent(t, await Server.start());
      lent(t, await Cars.start(server, 3));
      const page = await newPage(t, browser);
      await enter(page, server);
      await live(page);
      server.process.kill("SIGSTOP");
      await page.evaluate(() => document.querySelector(".line:not([hidden])").click());
      await until(page, "the vehicle", () => document.getElementById("vehicle-name").textContent);
      const names = await page.$$eval("#charts canvas", (all) => all.map((canvas) => canvas.ariaLabel));
      assert.deepEqual(names, ["Vehicle speed", "Power", "State of charge"].map((field) => `${field}: no data yet`));
      assert.deepEqual(await violations(page), []);
    });

    test("a server that restarts is called that, and not a lost connection", LIMIT, async (t) => {
      const server = lent(t, await Server.start());
      const page = await newPage(t, browser);
      await enter(page, server);
      await until(page, "live", () => document.getElementById("link").dataset.state === "live");
      await page.evaluate(() => {
        globalThis.said = [];
        new MutationObserver(() => globalThis.said.push(document.getElementById("link-text").textContent)).observe(document.getElementById("link-text"), { childList: true });
      });
      await server.stop("SIGTERM");
      await until(page, "the restart said", () => globalThis.said.some((words) => /restarting/.test(words)));
    });

    test("a token that the server rejects leads back to the sign-in, with the reason", LIMIT, async (t) => {
      const server = lent(t, await Server.start());
      const page = await newPage(t, browser);
      const [head, claims] = token().split(".");
      await enter(page, server, `${head}.${claims}.AAAA`);
      await until(page, "the sign-in", () => document.body.dataset.view === "sign-in" && /rejected this token/.test(document.getElementById("sign-in-fault").textContent));
      assert.equal(await page.evaluate(() => sessionStorage.length), 0);
    });

    test("a token about to expire can be renewed, and the stream stays live", LIMIT, async (t) => {
      const server = lent(t, await Server.start());
      const page = await newPage(t, browser);
      const next = mint("1h"); // before, for it takes a while and the other one lives for seconds
      await enter(page, server, mint("30s"));
      await until(page, "the question", () => !document.getElementById("renew").hidden);
      await page.$eval("#renew-token", (field, pasted) => (field.value = pasted), next);
      await page.click("#renew button");
      await until(page, "the thanks", () => document.getElementById("renew").hidden && /in use/.test(document.getElementById("notices").textContent));
      assert.equal(await text(page, "#link-text"), "Live");
      clean(page);
    });
  });
}

/** The page in real browsers, against a real server and cars: what somebody does with it, and what may never happen. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { BROWSERS, Cars, Server, Tiles, enter, launch, lent, live, mint, newPage, rows, text, token, until } from "./rig.mjs";

const AXE = readFileSync(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const PHONE = { width: 390, height: 844 };
const CARS = 12;
const PAST_S = 300;
const FIRST_EVENT_MS = 1000;
const TRIES = 8; // at most, nothing kept from one to the next, until one is fast enough: the machine may have others to serve
const EXPECTED = /WebSocket|establish a connection|Failed to load resource|ERR_CONNECTION_REFUSED|interrupted while/; // browsers say it when a server is away

/** No fault was told but those excused, and no host asked but the page's own and `others`. */
const clean = (page, excused = null, others = []) => {
  assert.deepEqual(page.faults.filter((fault) => !excused?.test(fault)), []);
  assert.deepEqual([...page.hosts].sort(), [new URL(page.url()).host, ...others].sort());
};

async function openFirstDriving(page) {
  await until(page, "a car that drives", () => document.querySelector('.line[data-state="driving"]:not([hidden])'));
  await page.evaluate(() => document.querySelector('.line[data-state="driving"]:not([hidden])').click());
  await until(page, "the vehicle's fields", () => document.querySelectorAll("#fields tr").length > 10);
}

/** Whether a canvas shows more than one colour. */
const painted = (page, selector) =>
  page.$eval(selector, (canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return new Set(new Uint32Array(data.buffer)).size > 3;
  });

/** How much of an element, as it stands on the screen, is exactly of this colour: 0 to 1. Read in `other`, a page without a policy. */
async function share(page, selector, rgb, other) {
  const picture = await (await page.$(selector)).screenshot({ encoding: "base64" });
  return other.evaluate(async (data, wanted) => {
    const image = new Image();
    image.src = `data:image/png;base64,${data}`;
    await image.decode();
    const ink = new OffscreenCanvas(image.width, image.height).getContext("2d");
    ink.drawImage(image, 0, 0);
    const pixels = ink.getImageData(0, 0, image.width, image.height).data;
    let found = 0;
    for (let at = 0; at < pixels.length; at += 4) found += wanted.every((part, index) => pixels[at + index] === part);
    return found / (image.width * image.height);
  }, picture, rgb);
}

const slide = (page, share) =>
  page.evaluate((to) => {
    const slider = document.getElementById("moment");
    slider.focus();
    slider.value = Number(slider.min) + (Number(slider.max) - Number(slider.min)) * to;
    slider.dispatchEvent(new Event("input"));
    slider.dispatchEvent(new Event("change"));
  }, share);

/** What axe finds wrong: rule and elements. It is put in by the debugger, which the page's policy does not bind. */
async function violations(page) {
  await page.evaluate(AXE);
  return page.evaluate(async () => (await globalThis.axe.run()).violations.map(({ id, nodes }) => [id, nodes.map((node) => `${node.html} ${node.failureSummary}`)]));
}

const LIMIT = { timeout: 240_000 }; // what hangs is named, and the next test runs

for (const kind of BROWSERS) {
  describe(kind, { timeout: 2_400_000 }, () => {
    let browser;

    before(async () => (browser = await launch(kind)));
    after(() => browser?.close());

    for (const tls of [false, true]) {
      describe(`over ${tls ? "TLS" : "plain TCP"}`, () => {
        let server;
        let cars;

        before(async () => {
          server = await Server.start({ tls });
          cars = await Cars.start(server, CARS, "--past", PAST_S);
        });

        after(async () => {
          cars?.stop();
          await server?.stop();
        });

        test("a pasted token signs in, and is kept in the tab alone", LIMIT, async (t) => {
          const page = await newPage(t, browser);
          await page.goto(server.page);
          await page.type("#token", `  ${token()} `);
          await page.click("#sign-in-form button");
          await live(page);
          assert.equal((await rows(page)).length >= 10, true);
          assert.equal(await page.evaluate(() => JSON.stringify({ ...localStorage }).includes("eyJ") || document.cookie.length > 0), false);
          clean(page);
        });

        test("a token in the link signs in, and leaves the address", LIMIT, async (t) => {
          const page = await newPage(t, browser);
          await enter(page, server);
          await live(page);
          assert.equal(page.url(), `${server.page}#/`);
          clean(page);
        });

        test("a car's first event is on the screen within a second of opening", LIMIT, async (t) => {
          const key = token();
          const tries = [];
          while (tries.length < TRIES && !(Math.min(...tries) < FIRST_EVENT_MS)) {
            const page = await newPage(t, browser);
            await page.evaluateOnNewDocument(() => {
              const look = () => {
                const told = [...document.querySelectorAll(".line:not([hidden]) .speed")].some((cell) => /\d/.test(cell.textContent));
                if (told) globalThis.seenAt = performance.now();
                else requestAnimationFrame(look);
              };
              requestAnimationFrame(look);
            });
            await enter(page, server, key);
            await until(page, "an event", () => globalThis.seenAt);
            tries.push(Math.round(await page.evaluate(() => globalThis.seenAt)));
            clean(page);
          }
          t.diagnostic(`first event on screen after ${tries.join(", ")} ms`);
          assert.ok(Math.min(...tries) < FIRST_EVENT_MS, `${tries} ms`);
        });

        test("rows change by themselves while cars drive", LIMIT, async (t) => {
          const page = await newPage(t, browser);
          await enter(page, server);
          await live(page);
          await page.evaluate(() => (globalThis.first = document.getElementById("grid-body").textContent));
          await until(page, "another speed in some row", () => document.getElementById("grid-body").textContent !== globalThis.first);
          await until(page, "events counted", () => Number(document.getElementById("meter-rate").textContent) > 1);
          clean(page);
        });

        test("a vehicle's view has its past from the log: track, charts, fields, events", LIMIT, async (t) => {
          const page = await newPage(t, browser);
          await enter(page, server);
          await live(page);
          await openFirstDriving(page);
          await until(page, "a track of many points", () => Number(/of (\d+)/.exec(document.getElementById("map").ariaLabel)?.[1]) > 20);
          assert.ok(await painted(page, "#map"));
          assert.ok(await painted(page, "#charts figure canvas"));
          assert.match(await text(page, ".dial.speed b"), /^\d+$/);
          await until(page, "that it connected", () => /Connected/.test(document.getElementById("events").textContent));
          await page.type("#field-search", "tpms");
          await until(page, "the table narrowed", () => document.querySelectorAll("#fields tr:not([hidden])").length === 4);
          clean(page);
        });

        test("a replay shows the past, runs at its speed, and ends in the present", LIMIT, async (t) => {
          const page = await newPage(t, browser);
          await enter(page, server);
          await live(page);
          await slide(page, 0.5);
          await until(page, "a replay", () => document.getElementById("time").dataset.mode === "replay");
          const seconds = () => page.$eval("#moment-text", (node) => node.textContent.split(":").reduce((sum, part) => sum * 60 + Number(part), 0));
          await until(page, "its time", () => /^\d\d:/.test(document.getElementById("moment-text").textContent));
          const presentS = await page.evaluate(() => { const now = new Date(); return (now.getHours() * 60 + now.getMinutes()) * 60 + now.getSeconds(); });
          const agoS = (presentS - (await seconds()) + 86_400) % 86_400;
          assert.ok(agoS > 60 && agoS < PAST_S + 60, `${agoS} s ago`);
          await page.select("#speed", "60");
          await until(page, "the present again", () => document.getElementById("time").dataset.mode === "live");
          await live(page);
          clean(page);
        });

        test("a paused replay stands still, in the vehicle's view too", LIMIT, async (t) => {
          const page = await newPage(t, browser);
          await enter(page, server);
          await live(page);
          await openFirstDriving(page);
          await slide(page, 0.7);
          await until(page, "a replay with a track", () => document.getElementById("time").dataset.mode === "replay" && /of [1-9]/.test(document.getElementById("map").ariaLabel));
          await until(page, "its time", () => /^\d\d:/.test(document.getElementById("moment-text").textContent));
          await page.click("#play");
          const before_ = await text(page, "#moment-text");
          await until(page, "two seconds of another clock", (from) => performance.now() - from > 2000, await page.evaluate(() => performance.now()));
          assert.equal(await text(page, "#moment-text"), before_);
          await page.click("#to-live");
          await until(page, "the present", () => document.getElementById("time").dataset.mode === "live");
          clean(page);
        });

        test("the keyboard walks the rows, opens a vehicle and comes back", LIMIT, async (t) => {
          const page = await newPage(t, browser);
          await enter(page, server);
          await live(page);
          await page.focus('.line[tabindex="0"]');
          await page.keyboard.press("ArrowDown");
          await page.keyboard.press("ArrowDown");
          const vin = await page.evaluate(() => document.activeElement.querySelector(".vin").textContent);
          await page.keyboard.press("Enter");
          await until(page, "the vehicle", () => document.body.dataset.view === "vehicle");
          assert.equal(await text(page, "#vehicle-vin"), vin);
          await page.keyboard.press("Escape");
          await until(page, "the fleet", () => document.body.dataset.view === "fleet");
          clean(page);
        });
      });
    }

    describe("trouble", () => {
      test("a page comes back by itself after its server was killed", LIMIT, async (t) => {
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

      test("charts have names while a vehicle's past has not come", LIMIT, async (t) => {
        const server = lent(t, await Server.start());
        lent(t, await Cars.start(server, 3));
        const page = await newPage(t, browser);
        await enter(page, server);
        await live(page);
        server.process.kill("SIGSTOP");
        await page.evaluate(() => document.querySelector(".line:not([hidden])").click());
        await until(page, "the vehicle", () => document.getElementById("vehicle-name").textContent);
        const names = await page.$$eval("#charts canvas", (all) => all.map((canvas) => canvas.ariaLabel));
        assert.deepEqual(names, ["VehicleSpeed", "Power", "Soc"].map((field) => `${field}: no data yet`));
        assert.deepEqual(await violations(page), []);
      });

      test("a restart is told from a failure", LIMIT, async (t) => {
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

      test("a token that the server does not take leads to the sign-in with the reason", LIMIT, async (t) => {
        const server = lent(t, await Server.start());
        const page = await newPage(t, browser);
        const [head, claims] = token().split(".");
        await enter(page, server, `${head}.${claims}.AAAA`);
        await until(page, "the sign-in", () => document.body.dataset.view === "sign-in" && /rejected this token/.test(document.getElementById("sign-in-fault").textContent));
        assert.equal(await page.evaluate(() => sessionStorage.length), 0);
      });

      test("a token that ends is asked for anew, and the stream goes on with another", LIMIT, async (t) => {
        const server = lent(t, await Server.start());
        const page = await newPage(t, browser);
        await enter(page, server, mint("50s"));
        await until(page, "the question", () => !document.getElementById("renew").hidden);
        await page.type("#renew-token", mint("1h"));
        await page.click("#renew button");
        await until(page, "the thanks", () => document.getElementById("renew").hidden && /in use/.test(document.getElementById("notices").textContent));
        assert.equal(await text(page, "#link-text"), "Live");
        clean(page);
      });
    });

    describe("a map", () => {
      test("lies under the track if the settings name one, with its credit, and its host learns whose page it is", LIMIT, async (t) => {
        const tiles = lent(t, await Tiles.start("#ff00ff"));
        const env = { MAP_TILES: `http://${tiles.host}/some/{z}/{x}/{y}.svg`, MAP_CREDIT: "© the map's <makers>" };
        const server = lent(t, await Server.start({ env }));
        lent(t, await Cars.start(server, 3, "--past", 60));
        const [page, plain] = [await newPage(t, browser), await newPage(t, browser)];
        await enter(page, server);
        await live(page);
        assert.deepEqual(tiles.asked, []);
        await openFirstDriving(page);
        assert.equal(await text(page, "#map-credit"), env.MAP_CREDIT);
        const began = performance.now();
        while ((await share(page, "#map", [255, 0, 255], plain)) < 0.7) assert.ok(performance.now() - began < 30_000, "no map drawn");
        for (const [path, referrer] of tiles.asked) {
          const [, z, x, y] = /^\/some\/(\d+)\/(\d+)\/(\d+)\.svg$/.exec(path).map(Number);
          assert.ok(x < 2 ** z && y < 2 ** z, path);
          assert.equal(referrer, server.page);
        }
        clean(page, null, [tiles.host]);
      });
    });

    describe("for everyone", () => {
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
  });
}

/** The page and vehicles that say what they should not: values of other types, floods, texts that turn lines round, wrong clocks. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { BROWSERS, Cars, Server, Tiles, enter, launch, launchBlocked, lent, live, newPage, text, until } from "./rig.mjs";
import { LIMIT, clean } from "./steps.mjs";

const GOOD = { VehicleSpeed: 42, Soc: 71, Gear: "ShiftStateD", Location: { latitude: 48, longitude: 11 }, PackVoltage: 400, PackCurrent: -10 };
const YEAR_S = 31_536_000;
const RESPONSIVE_MS = 4000; // for the page to answer while a flood comes in; it hung for good, or for more than 8 s

/** Opens the page, has a vehicle say these records (`late`: before that, so that they are in snapshot and log), and turns to it. */
async function openVehicle(t, page, server, records, late = false) {
  if (!late) await enter(page, server);
  if (!late) await until(page, "live", () => document.getElementById("link").dataset.state === "live");
  lent(t, await Cars.say(server, records));
  if (late) await enter(page, server);
  await until(page, "a row", () => document.querySelector(".line:not([hidden])")?.textContent);
  await page.evaluate(() => document.querySelector(".line:not([hidden])").click());
  await until(page, "the vehicle", () => document.getElementById("vehicle-name").textContent && document.querySelectorAll("#fields tr").length > 0);
}

for (const kind of BROWSERS) {
  describe(`${kind}: odd vehicles`, { timeout: 2_400_000 }, () => {
    let browser;
    let blocked;

    before(async () => ([browser, blocked] = [await launch(kind), await launchBlocked(kind)]));
    after(async () => {
      await browser?.close();
      await blocked?.close();
    });

    test("values of another type are passed over, and all else is drawn", LIMIT, async (t) => {
      const tiles = lent(t, await Tiles.start("#ff00ff"));
      const server = lent(t, await Server.start({ env: { MAP_TILES: `http://${tiles.host}/{z}/{x}/{y}.svg` } }));
      const odd = { VehicleSpeed: { a: 1 }, DetailedChargeState: 99, ChargeState: true, ACChargingPower: "11.5", TimeToFullCharge: "x", GpsHeading: [], DoorState: 7, TpmsPressureFl: "2.9", VehicleName: 5, Sum: { a: { b: [1] } } };
      const records = [{ data: GOOD }, { data: odd }, { data: { Location: { latitude: 1, longitude: 1e300 } } }, { data: { Location: { latitude: 90, longitude: 180 }, InsideTemp: "21.5", Soc: null } }];
      const page = await newPage(t, browser);
      await openVehicle(t, page, server, records);
      await until(page, "the last of its values", () => /21\.5 °C|70\.7 °F|71 °F/.test(document.getElementById("gauges").textContent));
      assert.match(await text(page, ".dial.speed b"), /^(?:42|68)$/);
      assert.equal(await text(page, ".dial.charge b"), "71");
      assert.match(await text(page, ".car.figures, .figures dl"), /99 11.5 kW/);
      assert.equal(await text(page, "#map-place"), "90.00000° N  180.00000° E");
      await until(page, "charts", () => [...document.querySelectorAll("#charts canvas")].some((canvas) => /now/.test(canvas.ariaLabel)));
      await page.evaluate(() => (location.hash = "#/"));
      await live(page);
      clean(page, null, [tiles.host]);
    });

    test("floods of fields, alerts and errors leave the page responsive", LIMIT, async (t) => {
      const server = lent(t, await Server.start());
      const time = new Date().toISOString();
      const fields = (name, from) => ({ data: Object.fromEntries(Array.from({ length: 4000 }, (_, index) => [`${name}${from + index}`, index])) });
      const floods = (name) => Array.from({ length: 3 }, (_, index) => fields(name, 100_000 + 4000 * index));
      const errors = Array.from({ length: 200 }, (_, index) => ({ name: `E${index}`, createdAt: time, body: "x".repeat(4000), tags: {} }));
      const alerts = Array.from({ length: 3000 }, (_, index) => ({ name: `alert ${index}`, startedAt: time, audiences: [] }));
      const page = await newPage(t, browser);
      await openVehicle(t, page, server, [...floods("Field_"), { data: GOOD }, ...floods("Other"), { alerts }, { data: { RouteLine: "y".repeat(200_000) } }, { errors }]);
      await until(page, "its errors", () => /E199/.test(document.getElementById("events").textContent));
      const waited = await page.evaluate(() => new Promise((done) => { const began = performance.now(); requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - began))); }));
      assert.ok(waited < RESPONSIVE_MS, `two frames took ${waited} ms`);
      assert.ok((await page.$$eval("#fields tr", (all) => all.length)) <= 512);
      assert.ok((await page.$$eval("#events li", (all) => all.length)) <= 200);
      assert.match(await text(page, ".dial.speed b"), /^(?:42|68)$/);
      clean(page);
    });

    test("a name that turns text round turns nothing but itself", LIMIT, async (t) => {
      const server = lent(t, await Server.start());
      lent(t, await Cars.say(server, [{ data: { ...GOOD, VehicleName: "\u202eevil\u2066 שלום" } }]));
      const page = await newPage(t, browser);
      await enter(page, server);
      await until(page, "its name", () => /evil/.test(document.querySelector(".line:not([hidden]) .who span")?.textContent));
      const [name, isolation] = await page.$eval(".line:not([hidden]) .who span", (node) => [node.textContent, getComputedStyle(node).unicodeBidi]);
      assert.doesNotMatch(name, /[\u202a-\u202e\u2066-\u2069]/);
      assert.equal(isolation, "isolate");
      clean(page);
    });

    for (const [ahead, late] of [[240, false], [240, true], [YEAR_S, false], [YEAR_S, true]]) {
      test(`a clock that was ${ahead} s ahead, ${late ? "before" : "while"} the page was open, freezes no value, chart or track`, LIMIT, async (t) => {
        const server = lent(t, await Server.start());
        const wrong = { ...GOOD, Gear: "ShiftStateP", VehicleSpeed: 1, Soc: 12 };
        const page = await newPage(t, browser);
        await openVehicle(t, page, server, [{ ahead_s: ahead, data: wrong }, { data: GOOD }, { data: { VehicleSpeed: 43, Location: { latitude: 48.001, longitude: 11 } } }], late);
        await until(page, "the right values", () => /^(?:43|69)$/.test(document.querySelector(".dial.speed b").textContent) && document.querySelector(".dial.charge b").textContent === "71");
        await until(page, "the chart at the right value", () => /now (?:43 mph|69 km\/h)/.test(document.querySelector("#charts canvas").ariaLabel));
        await until(page, "the whole track", () => /of 3 points/.test(document.getElementById("map").ariaLabel));
        assert.equal(await page.$eval(".gears", (node) => node.ariaLabel), "Gear D");
        clean(page);
      });
    }

    test("a browser that blocks storage shows the page all the same", LIMIT, async (t) => {
      const server = lent(t, await Server.start());
      lent(t, await Cars.start(server, 2));
      const page = await newPage(t, blocked);
      await enter(page, server);
      await live(page);
      const names = await page.evaluate(() => ["localStorage", "sessionStorage"].map((name) => { try { return typeof globalThis[name].getItem; } catch (error) { return error.name; } }));
      assert.deepEqual(names, ["SecurityError", "SecurityError"]);
      const units = await text(page, "#units");
      await page.click("#units");
      await until(page, "other units", (before_) => document.getElementById("units").textContent !== before_, units);
      await page.click("#theme");
      assert.match(await page.evaluate(() => document.documentElement.dataset.theme), /light|dark/);
      await page.evaluate(() => document.querySelector(".line:not([hidden])").click());
      await until(page, "the vehicle", () => document.querySelectorAll("#fields tr").length > 10);
      clean(page);
    });
  });
}

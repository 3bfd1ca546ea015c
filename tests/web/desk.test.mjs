/** What the page offers beyond looking: the map of the fleet, rows by need, keys, charts to choose, drives to see again. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { BROWSERS, Cars, Server, enter, launch, lent, live, newPage, text, until } from "./rig.mjs";
import { LIMIT, clean, openFirstDriving, painted, violations } from "./steps.mjs";

const CARS = 30;
const PAST_S = 1500; // long enough for a drive and a charge
const LAPTOP = { width: 1440, height: 900 };

/** Rows that are wholly in sight. */
const inSight = (page) =>
  page.evaluate(() => {
    const { top, bottom } = document.getElementById("grid-body").getBoundingClientRect();
    return [...document.querySelectorAll(".line:not([hidden])")].filter((line) => line.getBoundingClientRect().top >= top - 1 && line.getBoundingClientRect().bottom <= bottom + 1).length;
  });

const open = (page, selector) => page.$eval(selector, (node) => node.open);

for (const kind of BROWSERS) {
  describe(`${kind}: at the desk`, { timeout: 2_400_000 }, () => {
    let browser;
    let server;
    let cars;

    before(async () => {
      browser = await launch(kind);
      server = await Server.start();
      cars = await Cars.start(server, CARS, "--past", PAST_S);
    });
    after(async () => {
      cars?.stop();
      await browser?.close();
      await server?.stop();
    });

    const fleetOn = async (t, size) => {
      const page = await newPage(t, browser, size);
      await enter(page, server);
      await live(page);
      return page;
    };

    test("a laptop shows thirty vehicles at once, in low rows, and the reader may have high ones", LIMIT, async (t) => {
      const page = await fleetOn(t, LAPTOP);
      await until(page, "all of them", (count) => document.getElementById("fleet-title").textContent === `${count} vehicles`, CARS);
      await page.click('#remember-offer button[value="no"]'); // an offer above the rows, made once
      await until(page, "low rows", () => document.getElementById("grid").dataset.dense !== undefined);
      const began = performance.now();
      while ((await inSight(page)) < CARS) assert.ok(performance.now() - began < 15_000, `${await inSight(page)} in sight`);
      await page.click("#density");
      await until(page, "high rows", () => document.getElementById("grid").dataset.dense === undefined);
      assert.ok((await inSight(page)) < CARS);
      await page.reload();
      await live(page);
      assert.ok((await inSight(page)) < CARS, "the choice is kept");
      clean(page);
    });

    test("a parked car has no speed, rather than none an hour", LIMIT, async (t) => {
      const page = await fleetOn(t, LAPTOP);
      const speeds = await page.$$eval('.line[data-state="parked"]:not([hidden]) .speed, .line[data-state="charging"]:not([hidden]) .speed', (all) => all.map((node) => node.textContent));
      assert.ok(speeds.length > 0);
      assert.deepEqual([...new Set(speeds)], ["–"]);
    });

    test("the fleet's map shows what the table lists, marks what is pointed at, and opens what is clicked", LIMIT, async (t) => {
      const page = await fleetOn(t, LAPTOP);
      const count = () => page.$eval("#fleet-map", (canvas) => Number(/Map of (\d+)/.exec(canvas.ariaLabel)?.[1]));
      await until(page, "all on the map", (all) => document.getElementById("fleet-map").ariaLabel.startsWith(`Map of ${all} `), CARS);
      assert.ok(await painted(page, "#fleet-map"));
      await page.type("#search", "Test car 7");
      await until(page, "one on the map", () => document.getElementById("fleet-map").ariaLabel.startsWith("Map of 1 vehicle."));
      assert.equal(await count(), 1);
      const { x, y, width, height } = await (await page.$("#fleet-map")).boundingBox();
      const [middle, down] = [x + (width - 40) / 2, y + height / 2]; // the buttons' room is left free
      await page.mouse.move(middle, down);
      await until(page, "its row marked", () => document.querySelector(".line[data-marked]"));
      await page.mouse.click(middle, down);
      await until(page, "the vehicle", () => document.body.dataset.view === "vehicle" && document.getElementById("vehicle-name").textContent === "Test car 7");
      clean(page);
    });

    test("a ring of vehicles opens to what is in it, and the whole fleet is one click away", LIMIT, async (t) => {
      const page = await fleetOn(t, LAPTOP);
      await until(page, "all on the map", (all) => document.getElementById("fleet-map").ariaLabel.startsWith(`Map of ${all} `), CARS);
      const picture = async () => (await page.$("#fleet-map-card")).screenshot({ encoding: "base64" });
      const far = await picture();
      await page.click('#fleet-map-card button[title="Zoom in"]');
      await until(page, "another view", () => true);
      assert.notEqual(await picture(), far);
      await page.click('#fleet-map-card button[title="Show everything"]');
      clean(page);
    });

    test("on a phone the map takes the list's place, and gives it back", LIMIT, async (t) => {
      const page = await fleetOn(t, { width: 390, height: 844 });
      const shown = () => page.$eval("#fleet", () => ["grid", "fleet-map"].map((id) => document.getElementById(id).offsetParent !== null));
      assert.deepEqual(await shown(), [true, false]);
      await page.click("#map-toggle");
      assert.deepEqual(await shown(), [false, true]);
      assert.deepEqual(await violations(page), []);
      await page.click("#map-toggle");
      assert.deepEqual(await shown(), [true, false]);
      assert.ok((await inSight(page)) > 3);
      clean(page);
    });

    test("? tells the keys, and each does what it says", LIMIT, async (t) => {
      const page = await fleetOn(t, LAPTOP);
      await page.keyboard.press("?");
      assert.equal(await open(page, "#keys"), true);
      assert.match(await text(page, "#keys-list"), /Show or hide the map/);
      assert.deepEqual(await violations(page), []);
      await page.keyboard.press("Escape");
      assert.equal(await open(page, "#keys"), false);
      await page.keyboard.press("m");
      assert.equal(await page.$eval("#map-toggle", (node) => node.ariaPressed), "false");
      await page.keyboard.press("t");
      assert.equal(await page.evaluate(() => document.documentElement.dataset.theme !== undefined), true);
      await page.keyboard.press("/");
      await page.keyboard.type("u?t"); // letters in a field are letters
      assert.equal(await page.$eval("#search", (node) => node.value), "u?t");
      assert.equal(await open(page, "#keys"), false);
      clean(page);
    });

    test("N and P go through the vehicles in the table's order; Escape leaves a control first, then the vehicle", LIMIT, async (t) => {
      const page = await fleetOn(t, LAPTOP);
      await page.evaluate(() => document.querySelector('.line[aria-rowindex="3"]').click());
      await until(page, "the second", () => document.getElementById("vehicle-name").textContent === "Test car 1");
      await page.keyboard.press("n");
      await until(page, "the third", () => document.getElementById("vehicle-name").textContent === "Test car 2");
      await page.keyboard.press("p");
      await page.keyboard.press("p");
      await until(page, "the first", () => document.getElementById("vehicle-name").textContent === "Test car 0");
      await page.click("#units");
      await page.keyboard.press("Escape");
      assert.equal(await page.evaluate(() => document.body.dataset.view), "vehicle");
      await page.keyboard.press("Escape");
      await until(page, "the fleet", () => document.body.dataset.view === "fleet");
      clean(page);
    });

    test("a chart is chosen from all fields by a search, in words or in the protocol's", LIMIT, async (t) => {
      const page = await fleetOn(t, LAPTOP);
      await openFirstDriving(page);
      await until(page, "its past", () => document.querySelector("#charts output").textContent !== "–");
      await page.click("#add-chart");
      assert.deepEqual(await violations(page), []);
      await page.keyboard.type("tyre front left");
      const found = await page.$$eval("#chooser-list li:not([hidden])", (all) => all.map((node) => node.textContent));
      assert.equal(found.length, 1);
      assert.match(found[0], /TpmsPressureFl/);
      await page.keyboard.press("Enter");
      await until(page, "its chart, the first of all", () => /tyre pressure front left/i.test(document.querySelector("#charts figure").textContent));
      assert.equal(await page.$$eval("#charts figure", (all) => all.length), 4);
      await page.click("#charts figure figcaption button");
      await page.keyboard.type("Odometer");
      await page.keyboard.press("Enter");
      await until(page, "another field in its place", () => /Odometer/.test(document.querySelector("#charts figure").textContent));
      clean(page);
    });

    test("a field has its name in words, its value with a unit, and the protocol's name beside", LIMIT, async (t) => {
      const page = await fleetOn(t, LAPTOP);
      await openFirstDriving(page);
      const row = await page.$$eval("#fields tr", (all) => all.map((node) => [node.querySelector("th span").textContent, node.querySelector("th code").textContent, node.children[1].textContent]).find(([, name]) => name === "VehicleSpeed"));
      assert.equal(row[0], "Vehicle speed");
      assert.match(row[2], /^\d+ (?:mph|km\/h)$/);
    });

    test("drives and charges are listed, and one that is chosen is replayed from its start", LIMIT, async (t) => {
      const page = await fleetOn(t, LAPTOP);
      await openFirstDriving(page);
      await until(page, "a drive that has ended, or a charge", () => [...document.querySelectorAll("#trips button")].some((node) => !/now/.test(node.textContent)));
      const label = await page.evaluate(() => {
        const trip = [...document.querySelectorAll("#trips button")].find((node) => !/now/.test(node.textContent));
        trip.click();
        return trip.querySelector("time").textContent;
      });
      await until(page, "a replay", () => document.getElementById("time").dataset.mode === "replay");
      await until(page, "its time", () => /\d\d:\d\d:\d\d$/.test(document.getElementById("moment-text").textContent));
      const [, from] = /(\d\d:\d\d)–/.exec(label);
      const minutes = (clock) => Number(clock.slice(0, 2)) * 60 + Number(clock.slice(3, 5));
      const shown = (await text(page, "#moment-text")).slice(-"00:00:00".length);
      assert.ok(Math.abs(minutes(shown) - minutes(from)) <= 1, `${shown} for ${label}`);
      await until(page, "it is marked", () => document.querySelector('#trips [aria-current="true"]'));
      await page.click("#to-live");
      await until(page, "the present", () => document.getElementById("time").dataset.mode === "live");
      clean(page);
    });

    test("a reader with one vehicle sees it at once, and finds the table on the way back", LIMIT, async (t) => {
      const single = lent(t, await Server.start());
      lent(t, await Cars.start(single, 1, "--past", 30));
      const page = await newPage(t, browser);
      await enter(page, single);
      await until(page, "the vehicle", () => document.body.dataset.view === "vehicle" && document.getElementById("vehicle-name").textContent === "Test car 0");
      await page.click(".back");
      await until(page, "the table", () => document.body.dataset.view === "fleet" && document.querySelectorAll(".line:not([hidden])").length === 1);
      await page.click("#theme");
      assert.equal(await page.evaluate(() => document.body.dataset.view), "fleet");
      clean(page);
    });

    test("a search that finds nothing says so where the rows would be", LIMIT, async (t) => {
      const page = await fleetOn(t, LAPTOP);
      await page.type("#search", "nobody");
      await until(page, "a word", () => document.getElementById("fleet-none").offsetParent !== null);
      assert.equal(await page.$eval("#fleet-first", (node) => node.offsetParent), null);
      assert.deepEqual(await violations(page), []);
      clean(page);
    });

    test("every text is in the page's own font, whatever the machine has", LIMIT, async (t) => {
      const page = await fleetOn(t, LAPTOP);
      const loaded = await page.evaluate(async () => {
        await document.fonts.ready;
        return [...document.fonts].map(({ family, status }) => [family.replace(/"/g, ""), status]);
      });
      assert.deepEqual(loaded, [["Inter", "loaded"]]);
      assert.match(await page.evaluate(() => getComputedStyle(document.body).fontFamily), /^"?Inter"?,/);
    });
  });
}

/**
 * Takes the pictures of the page that stand in docs/page.md and in the README, into docs/images/.
 *
 *     PYTHON=… PYTHONPATH=… node screenshots.mjs
 *
 * Look at them before you keep them. WebP, because the same picture as PNG takes three times as much of the repository.
 */

import { mkdirSync } from "node:fs";
import { Cars, Server, enter, launch, live, newPage, until } from "./rig.mjs";

const FOLDER = new URL("../../docs/images/", import.meta.url).pathname;
const VEHICLES = 30;
const PAST_S = 1500; // a drive, a charge, and a drive that goes on
const CAR = "Test car 0";
const LAPTOP = { width: 1440, height: 900 };
const PHONE = { width: 390, height: 844, isMobile: true, hasTouch: true, deviceScaleFactor: 1.5 };

const ending = [];
const t = { after: (end) => ending.push(end) };
const server = await Server.start();
const cars = await Cars.start(server, VEHICLES, "--past", PAST_S);
const browser = await launch("chrome");
mkdirSync(FOLDER, { recursive: true });

const save = (what, name) => what.screenshot({ path: `${FOLDER}${name}.webp`, type: "webp", quality: 80 });

async function open(size, scheme, car = null) {
  const page = await newPage(t, browser, { scheme });
  await page.setViewport(size);
  await enter(page, server);
  await live(page);
  await page.evaluate(() => document.querySelector('#remember-offer button[value="no"]').click());
  await until(page, "events counted", () => Number(document.getElementById("meter-rate").textContent) > 1);
  await until(page, "times below the slider", () => document.querySelectorAll("#ticks span").length > 2);
  if (car === null) return page;
  await page.evaluate((name) => [...document.querySelectorAll(".line:not([hidden])")].find((row) => row.querySelector(".who span").textContent === name).click(), car);
  await until(page, "its track", () => Number(/of (\d+)/.exec(document.getElementById("map").ariaLabel)?.[1]) > 300);
  await until(page, "its drives", () => document.querySelectorAll("#trips button").length > 1);
  return page;
}

try {
  const fleet = await open(LAPTOP, "light");
  await save(fleet, "fleet");

  const vehicle = await open(LAPTOP, "dark", CAR);
  await save(vehicle, "vehicle");

  const charts = await open({ width: 1440, height: 1500 }, "light", CAR);
  const { x, y, width, height } = await (await charts.$("#charts figure canvas")).boundingBox();
  await charts.mouse.move(x + width * 0.62, y + height / 2);
  await until(charts, "the value at the pointer", () => / at /.test(document.querySelector("#charts output").textContent));
  await save(await charts.$(".charts"), "charts");

  const phone = await open(PHONE, "dark", CAR);
  await save(phone, "phone-vehicle");
  const small = await open(PHONE, "light");
  await save(small, "phone");

  const wide = await open({ width: 2560, height: 1440, deviceScaleFactor: 0.6 }, "light", CAR);
  await save(wide, "wide");

  await vehicle.evaluate(() => [...document.querySelectorAll("#trips button")].at(-1).click());
  await until(vehicle, "a replay, run up", () => document.getElementById("time").dataset.mode === "replay" && /\d$/.test(document.getElementById("moment-text").textContent));
  await vehicle.select("#speed", "30");
  await until(vehicle, "some way of the drive", () => Number(/of (\d+)/.exec(document.getElementById("map").ariaLabel)?.[1]) > 400);
  await save(vehicle, "replay");
} finally {
  cars.stop();
  await browser.close();
  await server.stop();
}

/** Takes the two pictures that stand in the README: `node screenshots.mjs`, into screenshots/. Look at them before you keep them. */

import { mkdirSync } from "node:fs";
import { Cars, Server, launch, enter, live, newPage, until } from "./rig.mjs";

const FOLDER = new URL("screenshots/", import.meta.url).pathname;
const VEHICLES = 40;
const PAST_S = 900;

const ending = [];
const t = { after: (end) => ending.push(end) };
const server = await Server.start();
const cars = await Cars.start(server, VEHICLES, "--past", PAST_S);
const browser = await launch("chrome");
mkdirSync(FOLDER, { recursive: true });

try {
  const desktop = await newPage(t, browser);
  await enter(desktop, server);
  await live(desktop);
  await desktop.evaluate(() => [...document.querySelectorAll('.line[data-state="driving"]:not([hidden])')].find((row) => /5\d mph|[67]\d mph|4\d mph/.test(row.textContent)).click());
  await until(desktop, "its track", () => Number(/of (\d+)/.exec(document.getElementById("map").ariaLabel)?.[1]) > 300);
  await until(desktop, "events counted", () => Number(document.getElementById("meter-rate").textContent) > 1);
  await desktop.screenshot({ path: `${FOLDER}desktop.png` });

  const phone = await newPage(t, browser);
  await phone.setViewport({ width: 390, height: 844, isMobile: true, hasTouch: true, deviceScaleFactor: 1.6 });
  await enter(phone, server);
  await live(phone);
  await until(phone, "events counted", () => Number(document.getElementById("meter-rate").textContent) > 1);
  await until(phone, "traces read back", () => {
    const canvas = document.querySelector('.line[data-state="driving"]:not([hidden]) canvas');
    return canvas.getContext("2d").getImageData(canvas.width / 2, 0, 1, canvas.height).data.some((part) => part > 0);
  });
  await phone.screenshot({ path: `${FOLDER}phone.png` });
} finally {
  cars.stop();
  await browser.close();
  await server.stop();
}

/** What a browser test does with the page, and what it looks at: steps that several files share. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { until } from "./rig.mjs";

const AXE = readFileSync(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8");

export const LIMIT = { timeout: 240_000 }; // what hangs is named, and the next test runs

/** No fault was told but those excused, and no host asked but the page's own and `others`. */
export const clean = (page, excused = null, others = []) => {
  assert.deepEqual(page.faults.filter((fault) => !excused?.test(fault)), []);
  assert.deepEqual([...page.hosts].sort(), [new URL(page.url()).host, ...others].sort());
};

export async function openFirstDriving(page) {
  await until(page, "a car that drives", () => document.querySelector('.line[data-state="driving"]:not([hidden])'));
  await page.evaluate(() => document.querySelector('.line[data-state="driving"]:not([hidden])').click());
  await until(page, "the vehicle's fields", () => document.querySelectorAll("#fields tr").length > 10);
}

/** Whether a canvas shows more than one colour. */
export const painted = (page, selector) =>
  page.$eval(selector, (canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return new Set(new Uint32Array(data.buffer)).size > 3;
  });

/** How much of an element, as it stands on the screen, is exactly of this colour: 0 to 1. Read in `other`, a page without a policy. */
export async function share(page, selector, rgb, other) {
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

export const slide = (page, share) =>
  page.evaluate((to) => {
    const slider = document.getElementById("moment");
    slider.focus();
    slider.value = Number(slider.min) + (Number(slider.max) - Number(slider.min)) * to;
    slider.dispatchEvent(new Event("input"));
    slider.dispatchEvent(new Event("change"));
  }, share);

/** What axe finds wrong: rule and elements. It is put in by the debugger, which the page's policy does not bind. */
export async function violations(page) {
  await page.evaluate(AXE);
  return page.evaluate(async () => (await globalThis.axe.run()).violations.map(({ id, nodes }) => [id, nodes.map((node) => `${node.html} ${node.failureSummary}`)]));
}

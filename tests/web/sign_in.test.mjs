/** Signing in without pasting, staying signed in, and the page on a home screen, in real browsers. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { BROWSERS, Cars, Server, enter, launch, live, newPage, token, until } from "./rig.mjs";
import { LIMIT, clean, violations } from "./steps.mjs";

const keptAnywhere = (page) => page.evaluate(() => JSON.stringify({ ...localStorage }).includes("eyJ"));
const shows = (page, id) => until(page, `${id} in sight`, (wanted) => document.getElementById(wanted).checkVisibility(), id);

/** Another tab of the same browser and profile, watched as little as the first. */
async function anotherTab(page, server) {
  const next = await page.browserContext().newPage();
  await next.goto(server.page, { waitUntil: "domcontentloaded" });
  return next;
}

for (const kind of BROWSERS) {
  describe(`${kind}: signing in`, { timeout: 900_000 }, () => {
    let browser;
    let server;
    let cars;

    before(async () => {
      browser = await launch(kind);
      server = await Server.start();
      cars = await Cars.start(server, 2);
    });

    after(async () => {
      await browser?.close();
      cars?.stop();
      await server?.stop();
    });

    test("remembering is off, and says what it means", LIMIT, async (t) => {
      const page = await newPage(t, browser);
      await page.goto(server.page);
      assert.equal(await page.$eval("#remember", (box) => box.checked), false);
      assert.match(await page.$eval("#remember-means", (node) => node.textContent), /whoever uses this device sees your vehicles/);
      assert.deepEqual(await violations(page), []);
      clean(page);
    });

    test("a pasted link signs in, and with the box ticked the next tab needs none", LIMIT, async (t) => {
      const page = await newPage(t, browser);
      await page.goto(server.page);
      await page.type("#token", `${server.page}#token=${token()}`);
      await page.click("#remember");
      await page.click("#sign-in-form button");
      await live(page);
      await live(await anotherTab(page, server));
      clean(page);
    });

    test("signing out forgets a remembered token in every tab to come", LIMIT, async (t) => {
      const page = await newPage(t, browser);
      await page.goto(server.page);
      await page.click("#remember");
      await page.type("#token", token());
      await page.click("#sign-in-form button");
      await live(page);
      await page.click("#sign-out");
      await shows(page, "sign-in");
      assert.equal(await keptAnywhere(page), false);
      await shows(await anotherTab(page, server), "sign-in");
      clean(page);
    });

    for (const answer of ["yes", "no"]) {
      test(`a link signs in for this tab, and asks: ${answer}`, LIMIT, async (t) => {
        const page = await newPage(t, browser);
        await enter(page, server);
        await live(page);
        await shows(page, "remember-offer");
        assert.equal(await keptAnywhere(page), false);
        assert.deepEqual(await violations(page), []);
        await page.click(`#remember-offer button[value="${answer}"]`);
        await until(page, "the offer is gone", () => document.getElementById("remember-offer").hidden);
        assert.equal(await keptAnywhere(page), answer === "yes");
        const next = await anotherTab(page, server);
        await (answer === "yes" ? live(next) : shows(next, "sign-in"));
        clean(page);
      });
    }

    test("the page has a manifest that can be read, and icons that can be drawn", LIMIT, async (t) => {
      const page = await newPage(t, browser);
      await page.goto(server.page);
      const sizes = await page.evaluate(async () => {
        const address = document.querySelector("link[rel=manifest]").href;
        // an image, because the page's policy lets it fetch images and its own host's JSON
        const { icons } = await (await fetch(address)).json();
        return Promise.all(icons.filter(({ type }) => type === "image/png").map(async ({ src, sizes }) => {
          const image = new Image();
          image.src = new URL(src, address).href;
          await image.decode();
          return `${image.naturalWidth}x${image.naturalHeight}` === sizes;
        }));
      });
      assert.deepEqual(sizes, [true, true, true]);
      if (kind === "chrome") {
        const session = await page.createCDPSession();
        const { errors } = await session.send("Page.getAppManifest");
        assert.deepEqual(errors, []);
        const { installabilityErrors } = await session.send("Page.getInstallabilityErrors");
        assert.deepEqual(installabilityErrors.filter(({ errorId }) => errorId !== "in-incognito"), []); // each test has a profile of its own
      }
      clean(page);
    });
  });
}

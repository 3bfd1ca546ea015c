/** The set-up's list in real browsers: before the first vehicle, when it comes, and behind the button afterwards. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { connect } from "node:tls";
import { BROWSERS, Cars, Server, enter, launch, lent, mint, newPage, text, until } from "./rig.mjs";
import { LIMIT, clean, violations } from "./steps.mjs";

const VIN = "5YJ3E1EA7KF000001";

let folder = null;

/** A folder with a CA that is not Tesla's, and with a car's certificate from yet another one. */
function strangers() {
  if (folder) return folder;
  folder = mkdtempSync(join(tmpdir(), "teslafast-web-"));
  const code = "import sys, trustme, pathlib; d = pathlib.Path(sys.argv[1]); trustme.CA().cert_pem.write_to_path(d / 'ca.pem');"
    + "car = trustme.CA().issue_cert('car'); car.private_key_pem.write_to_path(d / 'car.key'); car.cert_chain_pems[0].write_to_path(d / 'car.pem')";
  execFileSync(process.env.PYTHON ?? "python3", ["-c", code, folder]);
  return folder;
}

/** As that car, until the server has had enough of it. */
function knock(server) {
  const [cert, key] = ["car.pem", "car.key"].map((name) => readFileSync(join(strangers(), name)));
  return new Promise((resolve) => {
    const socket = connect({ port: server.port, host: "127.0.0.1", cert, key, rejectUnauthorized: false });
    socket.on("error", resolve).on("close", resolve).on("secureConnect", () => socket.write("GET / HTTP/1.1\r\n\r\n"));
  });
}

const view = (page, name) => until(page, `the view ${name}`, (wanted) => document.body.dataset.view === wanted && document.getElementById(wanted).checkVisibility(), name);
const says = (page, list, words) => until(page, words, (id, part) => document.getElementById(id).checkVisibility() && document.getElementById(id).textContent.includes(part), list, words);

for (const kind of BROWSERS) {
  describe(`${kind}: the set-up`, { timeout: 900_000 }, () => {
    let browser;

    before(async () => (browser = await launch(kind)));
    after(() => browser?.close());

    test("without a token the page shows three lines, and asks for one", LIMIT, async (t) => {
      const server = lent(t, await Server.start());
      const page = await newPage(t, browser);
      await page.goto(server.page);
      await says(page, "setup-public-list", "no vehicle has connected yet");
      assert.equal(await page.$$eval("#setup-public-list li", (lines) => lines.length), 3);
      assert.match(await text(page, "#setup-public-list"), /this server runs \(teslafast .*since/);
      assert.match(await text(page, "#setup-public-list"), /public key is not served here.*TESLA_PUBLIC_KEY_PATH/);
      assert.deepEqual(await violations(page), []);
      clean(page);
    });

    test("the list stands where the vehicles will be, and gives way to them at the first message", LIMIT, async (t) => {
      const server = lent(t, await Server.start());
      const page = await newPage(t, browser);
      await enter(page, server);
      await view(page, "setup");
      await says(page, "setup-list", "no vehicle has connected yet");
      await says(page, "setup-list", "without mutual TLS only simulated vehicles can connect");
      assert.deepEqual(await violations(page), []);
      lent(t, await Cars.start(server, 1));
      await until(page, "a row", () => document.querySelector(".line:not([hidden])"));
      await until(page, "no list any more", () => !document.getElementById("setup").checkVisibility());
      await page.goto(`${server.page}#/setup`);
      await says(page, "setup-list", "a vehicle has connected");
      await page.goBack();
      clean(page);
    });

    test("after the first message the sign-in says nothing of the set-up", LIMIT, async (t) => {
      const server = lent(t, await Server.start());
      lent(t, await Cars.start(server, 1));
      const page = await newPage(t, browser);
      const answered = page.waitForResponse((response) => new URL(response.url()).pathname === "/setup", { timeout: 30_000 });
      await page.goto(server.page);
      await view(page, "sign-in");
      await answered;
      assert.equal(await page.$eval("#setup-public", (node) => node.checkVisibility()), false);
      clean(page);
    });

    test("who knocked in vain is told with the reason and the remedy, and the button turns red for what is wrong", LIMIT, async (t) => {
      const server = lent(t, await Server.start({ tls: true, env: { NODE_ENV: "production", REQUEST_CLIENT_CERT: "true", CA_PATH: join(strangers(), "ca.pem") } }));
      await knock(server);
      const page = await newPage(t, browser);
      await enter(page, server);
      await view(page, "setup");
      await says(page, "turned-away", "CA_PATH");
      assert.match(await text(page, "#turned-away"), /unknown_ca from 127\.0\.0\.1.*Tesla's CAs/);
      await says(page, "setup-list", "known to be Tesla's");
      assert.equal(await page.$eval("#open-setup", (node) => node.dataset.state), "wrong");
      assert.deepEqual(await violations(page), []);
      clean(page);
    });

    test("a token for one vehicle sees no strangers' addresses", LIMIT, async (t) => {
      const server = lent(t, await Server.start());
      const page = await newPage(t, browser);
      await enter(page, server, mint("1h", "--vin", VIN));
      await view(page, "setup");
      await says(page, "setup-list", "no vehicle has connected yet");
      assert.equal(await page.$eval("#turned-away", (node) => node.checkVisibility()), false);
      clean(page);
    });

    test("on a small screen the list is all there, without scrolling sideways", LIMIT, async (t) => {
      const server = lent(t, await Server.start());
      const page = await newPage(t, browser, { width: 360, height: 640 });
      await enter(page, server);
      await view(page, "setup");
      await says(page, "setup-list", "mutual TLS");
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
      clean(page);
    });
  });
}

/**
 * What a browser test stands on: a real server, cars that speak to it, a browser, and a page that is watched.
 *
 * Servers listen on ports of their own choosing; certificates are made when they are needed. Everything that a page says on its
 * console or asks of the network is kept, so that a test can hold it against the law: no error, no other host.
 */

import { spawn, execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import puppeteer from "puppeteer-core";

const PYTHON = process.env.PYTHON ?? "python3";
const SERVE = process.env.TESLAFAST?.split(" ") ?? [PYTHON, "-m", "teslafast"];
const CARS = new URL("cars.py", import.meta.url).pathname;
const ENV = { ...process.env, NODE_ENV: "development", JWT_SECRET: "a secret of the browser tests, 32 bytes or more", LOG_FORMAT: "json" };
const READY_MS = 90_000;

export const BROWSERS = (process.env.BROWSERS ?? "chrome,firefox").split(",");
const PROGRAMS = { chrome: "/usr/bin/chromium", firefox: "/usr/bin/firefox-esr" };
const CHROME = ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

export const launch = (browser, more = {}) =>
  puppeteer.launch({ browser, executablePath: PROGRAMS[browser], headless: true, args: browser === "chrome" ? CHROME : [], acceptInsecureCerts: true, protocolTimeout: READY_MS, ...more });

/** A browser whose user has blocked all cookies, and with them every storage. */
export function launchBlocked(browser) {
  const folder = mkdtempSync(join(tmpdir(), "teslafast-web-"));
  if (browser === "firefox") return launch(browser, { extraPrefsFirefox: { "network.cookie.cookieBehavior": 2 } });
  mkdirSync(join(folder, "Default"));
  writeFileSync(join(folder, "Default", "Preferences"), JSON.stringify({ profile: { default_content_setting_values: { cookies: 2 } } }));
  return launch(browser, { userDataDir: folder });
}

/** Lines of a child's output, until one that `says` finds something in: resolves to that. */
function heard(stream, says, what) {
  const lines = createInterface({ input: stream });
  const seen = [];
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${what} did not say that it is ready:\n${seen.join("\n")}`)), READY_MS);
    lines.on("line", (line) => {
      seen.push(line);
      const found = says(line);
      if (found === null || found === undefined || found === false) return;
      clearTimeout(timer);
      resolve(found);
    });
    lines.on("close", () => reject(new Error(`${what} has ended:\n${seen.join("\n")}`)));
  });
}

const portOf = (line) => line.startsWith("{") && (JSON.parse(line).event ?? JSON.parse(line).msg) === "listening" && JSON.parse(line).port;

export class Server {
  /** `port` 0: any; `tls`: with a certificate made just now; `env`: more settings. */
  static async start({ port = 0, tls = false, env = {} } = {}) {
    const server = new Server();
    const given = tls ? certificate() : {};
    server.process = spawn(SERVE[0], [...SERVE.slice(1), "serve", "--host", "127.0.0.1", "--port", String(port)], {
      env: { ...ENV, ...given, ...env },
      stdio: ["ignore", "ignore", "pipe"],
    });
    server.port = await heard(server.process.stderr, portOf, "the server");
    server.page = `http${tls ? "s" : ""}://127.0.0.1:${server.port}/`;
    server.vehicles = `ws${tls ? "s" : ""}://127.0.0.1:${server.port}`;
    return server;
  }

  async stop(signal = "SIGKILL") {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      this.process.kill(signal);
      await once(this.process, "exit");
    }
  }
}

let made = null;

function certificate() {
  if (!made) {
    made = mkdtempSync(join(tmpdir(), "teslafast-web-"));
    const code = "import sys, trustme, pathlib; ca = trustme.CA(); leaf = ca.issue_cert('127.0.0.1'); d = pathlib.Path(sys.argv[1]);"
      + "leaf.private_key_pem.write_to_path(d / 'leaf.key'); [blob.write_to_path(d / 'leaf.pem', append=i > 0) for i, blob in enumerate(leaf.cert_chain_pems)];"
      + "ca.cert_pem.write_to_path(d / 'ca.pem')";
    execFileSync(PYTHON, ["-c", code, made]);
  }
  return { CERT_PATH: join(made, "leaf.pem"), KEY_PATH: join(made, "leaf.key") };
}

/** The authority of the server's certificate; as good as any where nobody has a certificate of its. */
export const authority = () => join(certificate().CERT_PATH, "../ca.pem");

export class Cars {
  /** So many cars at this server; see cars.py for the rest. */
  static async start(server, count, ...rest) {
    const cars = new Cars();
    cars.process = spawn(PYTHON, [CARS, server.vehicles, String(count), ...rest.map(String)], { env: ENV, stdio: ["ignore", "pipe", "inherit"] });
    await heard(cars.process.stdout, (line) => line === "ready", "cars.py");
    return cars;
  }

  /** One car that says these records (see cars.py), and then nothing. */
  static say(server, records) {
    const file = join(mkdtempSync(join(tmpdir(), "teslafast-web-")), "records.json");
    writeFileSync(file, JSON.stringify(records));
    return Cars.start(server, 1, "--records", file);
  }

  stop() {
    this.process.kill("SIGKILL");
  }
}

/** A host of map tiles, each all of one colour; `asked` keeps what was asked of it: [path, referrer]. */
export class Tiles {
  static async start(colour) {
    const tiles = new Tiles();
    tiles.asked = [];
    tiles.http = createServer(({ url, headers }, answer) => {
      tiles.asked.push([url, headers.referer]);
      answer.setHeader("Content-Type", "image/svg+xml");
      answer.end(`<svg xmlns="http://www.w3.org/2000/svg" width="256" height="256"><rect width="256" height="256" fill="${colour}"/></svg>`);
    });
    await once(tiles.http.listen(0, "127.0.0.1"), "listening");
    tiles.host = `127.0.0.1:${tiles.http.address().port}`;
    return tiles;
  }

  stop() {
    this.http.closeAllConnections();
    this.http.close();
  }
}

/** Lends something to a test: it is ended with it, however the test ends. */
export function lent(t, thing) {
  t.after(() => thing.stop());
  return thing;
}

/** A token of the server's, by its own command. */
export const mint = (ttl, ...more) =>
  execFileSync(SERVE[0], [...SERVE.slice(1), "token", "--sub", "tester", "--ttl", ttl, ...more], { env: ENV, encoding: "utf8", timeout: READY_MS }).trim();

let kept = null;

/** One that lasts, the same for all tests: to mint one takes half a second. */
export const token = () => (kept ??= mint("4h"));

/** A page in a context of its own (no storage shared), watched; it is closed when the test ends. */
export async function newPage(t, browser, { width = 1280, height = 800, scheme = "dark" } = {}) {
  const context = await browser.createBrowserContext();
  t.after(() => context.close());
  const page = await context.newPage();
  await page.setViewport({ width, height });
  page.faults = [];
  page.hosts = new Set();
  page.on("console", (message) => ["error", "warn", "warning"].includes(message.type()) && page.faults.push(message.text()));
  page.on("pageerror", (error) => page.faults.push(String(error)));
  page.on("request", (request) => request.url().startsWith("data:") || page.hosts.add(new URL(request.url()).host));
  if (browser.process().spawnfile.includes("chromium")) await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  return page;
}

/** Opens the page as somebody who has a link with a token. */
export const enter = (page, server, key = token()) => page.goto(`${server.page}#token=${key}`, { waitUntil: "domcontentloaded" });

export const text = (page, selector) => page.$eval(selector, (node) => node.textContent);

/**
 * Waits until a function in the page is true; says what was waited for if it never is. Twice so long as it may take: a virtual
 * machine that is held for a minute, and then runs on, has eaten one of the waits.
 */
export async function until(page, what, holds, ...values) {
  const wait = () => page.waitForFunction(holds, { timeout: 15_000, polling: 50 }, ...values);
  try {
    await wait().catch(wait);
  } catch (error) {
    const seen = await page.evaluate(() => document.body.innerText.slice(0, 1000)).catch(String);
    throw new Error(`${what}: never; the page says: ${seen}\nits console: ${page.faults.join("\n")}`, { cause: error });
  }
}

/** Rows in sight, as their cells' texts by class. */
export const rows = (page) =>
  page.$$eval(".line:not([hidden])", (lines) =>
    lines.map((line) => Object.fromEntries([...line.children].map((cell) => [cell.className, cell.textContent]))));

export const live = (page) => until(page, "live, with a car that tells its speed", () =>
  document.getElementById("link").dataset.state === "live" && [...document.querySelectorAll(".line:not([hidden]) .speed")].some((cell) => /\d/.test(cell.textContent)));

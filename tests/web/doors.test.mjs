/** The doors that browsers come through: `EventSource` at /sse, WebSockets at /VIN, from our own page and from pages of other sites. */

import assert from "node:assert/strict";
import { mkdtempSync } from "node:fs";
import { createServer } from "node:http";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { BROWSERS, Cars, Server, authority, launch, lent, mint, newPage, token, until } from "./rig.mjs";
import { LIMIT } from "./steps.mjs";

const VIN = "5YJ3TEST3PF000000"; // of the first car of cars.py

/** Another site: a page without anything in it. */
class Site {
  static async start() {
    const site = new Site();
    site.http = createServer((_, answer) => answer.setHeader("Content-Type", "text/html").end("<!doctype html><title>another site</title>"));
    await once(site.http.listen(0, "127.0.0.1"), "listening");
    site.origin = `http://127.0.0.1:${site.http.address().port}`;
    return site;
  }

  stop() {
    this.http.closeAllConnections();
    this.http.close();
  }
}

const say = (server, ...socs) => Cars.say(server, socs.map((Soc) => ({ data: { Soc } })));

/** An EventSource in the page: what it gets goes into `told`, with its id; how it is doing into `state`. */
const listen = (page, url) =>
  page.evaluate((address) => {
    globalThis.told = [];
    const source = (globalThis.source = new EventSource(address));
    source.onmessage = ({ data, lastEventId }) => globalThis.told.push({ id: lastEventId, ...JSON.parse(data) });
  }, url);

const socs = (page) => page.evaluate(() => globalThis.told.filter((event) => event.data?.Soc !== undefined).map((event) => event.data.Soc));
const hasSoc = (page, wanted) => until(page, `Soc ${wanted}`, (soc) => globalThis.told.some((event) => event.data?.Soc === soc), wanted);
const isClosed = (page) => until(page, "given up", () => globalThis.source.readyState === 2);

/** How a WebSocket from the page fares: "open", or "refused". */
const websocket = (page, url) =>
  page.evaluate((address) => new Promise((resolve) => {
    const socket = new WebSocket(address);
    socket.onopen = () => resolve("open");
    socket.onclose = () => resolve("refused");
  }), url);

for (const kind of BROWSERS) {
  describe(`${kind}: doors`, { timeout: 2_400_000 }, () => {
    let browser;

    before(async () => (browser = await launch(kind)));
    after(() => browser?.close());

    test("an EventSource of our own page gets what holds now, then what happens, over the page's own connection", LIMIT, async (t) => {
      const server = lent(t, await Server.start());
      lent(t, await say(server, 1));
      const page = await newPage(t, browser);
      await page.goto(`${server.page}health`);
      await listen(page, `/sse/${VIN}?token=${token()}`);
      await hasSoc(page, 1);
      lent(t, await say(server, 2, 3));
      await hasSoc(page, 3);
      assert.deepEqual(await socs(page), [1, 2, 3]);
      const kinds = await page.evaluate(() => globalThis.told.map((event) => event.state ?? event.status ?? Object.keys(event).find((key) => ["config", "data"].includes(key))));
      assert.deepEqual(kinds.slice(0, 3), ["online", "config", "data"]);
      assert.equal(await page.evaluate(() => globalThis.told.every((event) => Date.parse(event.createdAt) > 0)), true);
    });

    test("it goes on after a kill where it stopped, with each event once", LIMIT, async (t) => {
      const env = { JOURNAL_PATH: join(mkdtempSync(join(tmpdir(), "teslafast-web-")), "journal") };
      let server = lent(t, await Server.start({ env }));
      const page = await newPage(t, browser);
      await page.goto(`${server.page}health`);
      await listen(page, `/sse/${VIN}?token=${token()}`);
      await until(page, "open", () => globalThis.source.readyState === 1);
      lent(t, await say(server, 1, 2));
      await hasSoc(page, 2);
      await server.stop("SIGKILL");
      server = lent(t, await Server.start({ port: server.port, env }));
      lent(t, await say(server, 3, 4));
      await hasSoc(page, 4);
      assert.deepEqual(await socs(page), [1, 2, 3, 4]);
    });

    test("it comes back after a drain", LIMIT, async (t) => {
      let server = lent(t, await Server.start());
      const page = await newPage(t, browser);
      await page.goto(`${server.page}health`);
      await listen(page, `/sse?token=${token()}`);
      await until(page, "open", () => globalThis.source.readyState === 1);
      await server.stop("SIGTERM");
      server = lent(t, await Server.start({ port: server.port }));
      lent(t, await say(server, 5));
      await hasSoc(page, 5);
    });

    test("it gives up when its token has ended, and when it never had a good one", LIMIT, async (t) => {
      const server = lent(t, await Server.start());
      const page = await newPage(t, browser);
      await page.goto(`${server.page}health`);
      await listen(page, `/sse?token=${mint("4s")}`);
      await until(page, "open", () => globalThis.source.readyState === 1);
      await isClosed(page);
      await listen(page, "/sse?token=nonsense");
      await isClosed(page);
    });

    test("a page of a site that is not listed gets nothing", LIMIT, async (t) => {
      const site = lent(t, await Site.start());
      const server = lent(t, await Server.start());
      lent(t, await say(server, 1));
      const page = await newPage(t, browser);
      await page.goto(site.origin);
      await listen(page, `${server.page}sse?token=${token()}`);
      await isClosed(page);
      assert.deepEqual(await socs(page), []);
      assert.equal(await websocket(page, `${server.vehicles}/${VIN}?access_token=${token()}`), "refused");
    });

    test("a page of a listed site gets events by EventSource, by fetch with a preflight, and by WebSocket", LIMIT, async (t) => {
      const site = lent(t, await Site.start());
      const server = lent(t, await Server.start({ env: { ALLOWED_ORIGINS: site.origin } }));
      lent(t, await say(server, 1));
      const page = await newPage(t, browser);
      await page.goto(site.origin);
      await listen(page, `${server.page}sse/${VIN}?token=${token()}`);
      await hasSoc(page, 1);
      const fetched = await page.evaluate(async (url, key) => {
        const headers = { Authorization: `Bearer ${key}`, "Last-Event-ID": "x-1", "Cache-Control": "no-cache", "X-Library": "a page" };
        const answer = await fetch(url, { headers });
        const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
        let text = "";
        while (!text.includes('"Soc"')) text += (await reader.read()).value;
        await reader.cancel();
        return [answer.status, answer.headers.get("content-type"), text];
      }, `${server.page}sse/?topics=data`, token());
      assert.deepEqual(fetched.slice(0, 2), [200, "text/event-stream"]);
      assert.match(fetched[2], /data: \{.*"Soc":1[,}]/);
      const refused = await page.evaluate(async (url) => (await fetch(url, { headers: { Authorization: "Bearer nonsense" } })).status, `${server.page}sse`);
      assert.equal(refused, 401, "a page may read that, too");
      assert.equal(await websocket(page, `${server.vehicles}/${VIN}?access_token=${token()}`), "open");
    });

    /** A page of another site, and servers that speak TLS: vehicles on the same port, or on one of their own. */
    async function overTls(t, more) {
      const site = lent(t, await Site.start());
      const env = { ALLOWED_ORIGINS: site.origin, CA_PATH: authority(), ...more };
      const server = lent(t, await Server.start({ tls: true, env }));
      const page = await newPage(t, browser);
      await page.goto(site.origin);
      return { page, server };
    }
    const stream = (server) => `${server.vehicles}/stream?token=${token()}`;

    test("where vehicles have a port of their own, pages of other sites connect at once", LIMIT, async (t) => {
      const { page, server } = await overTls(t, { VEHICLE_PORT: "0" });
      assert.equal(await websocket(page, stream(server)), "open");
    });

    test("where they share one, Chromium's WebSockets wait for a first fetch, and an EventSource never does", LIMIT, async (t) => {
      const { page, server } = await overTls(t, { REQUEST_CLIENT_CERT: "true" });
      assert.equal(await websocket(page, stream(server)), kind === "chrome" ? "refused" : "open", "docs/settings.md says so");
      await listen(page, `${server.page}sse?token=${token()}`);
      await until(page, "open", () => globalThis.source.readyState === 1);
      await page.evaluate((url) => fetch(url, { mode: "no-cors" }), `${server.page}health`);
      assert.equal(await websocket(page, stream(server)), "open");
    });
  });
}

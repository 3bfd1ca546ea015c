/** The page below a path: BASE_PATH, and Home Assistant's ingress, which takes the path off and shows the page in a frame. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request } from "node:http";
import { after, before, describe, test } from "node:test";
import { BROWSERS, Cars, Server, enter, launch, lent, live, newPage, token, until } from "./rig.mjs";
import { LIMIT, clean, openFirstDriving } from "./steps.mjs";

const INGRESS = "/api/hassio_ingress/Abc-123";
const COOKIE = "ingress_session=open";

/** What Home Assistant and its Supervisor do: a frame in a page of their own; below INGRESS, with their cookie, everything goes to the server. */
class Ingress {
  static async start(server) {
    const ingress = new Ingress();
    const forward = ({ url, method, headers }) =>
      request({ host: "127.0.0.1", port: server.port, path: url.slice(INGRESS.length), method, headers: { ...headers, "X-Ingress-Path": INGRESS } });
    ingress.http = createServer((asked, answer) => {
      if (!asked.url.startsWith(`${INGRESS}/`)) {
        answer.writeHead(200, { "Content-Type": "text/html", "Set-Cookie": `${COOKIE}; Path=/api/hassio_ingress/; HttpOnly; SameSite=Strict` });
        answer.end(`<!doctype html><title>Home</title><iframe src="${INGRESS}/#token=${token()}" width="1200" height="700"></iframe>`);
      } else if (!asked.headers.cookie?.includes(COOKIE)) {
        answer.writeHead(401).end();
      } else {
        asked.pipe(forward(asked).on("response", (got) => {
          answer.writeHead(got.statusCode, got.headers);
          got.pipe(answer);
        }));
      }
    });
    ingress.http.on("upgrade", (asked, socket) => {
      if (!asked.headers.cookie?.includes(COOKIE)) return socket.end("HTTP/1.1 401 Unauthorized\r\n\r\n");
      forward(asked).on("upgrade", (got, other, first) => {
        const head = Object.entries(got.headers).map(([name, value]) => `${name}: ${value}\r\n`).join("");
        socket.write(`HTTP/1.1 101 Switching Protocols\r\n${head}\r\n`);
        socket.write(first);
        other.pipe(socket).pipe(other);
        for (const end of [socket, other]) end.on("error", () => (socket.destroy(), other.destroy()));
      }).end();
    });
    await once(ingress.http.listen(0, "127.0.0.1"), "listening");
    ingress.address = `http://127.0.0.1:${ingress.http.address().port}/`;
    return ingress;
  }

  stop() {
    this.http.closeAllConnections();
    this.http.close();
  }
}

for (const kind of BROWSERS) {
  describe(`${kind}: below a path`, { timeout: 1_200_000 }, () => {
    let browser;
    before(async () => (browser = await launch(kind)));
    after(() => browser?.close());

    test("with BASE_PATH the page, its stream and its requests stay below that path", LIMIT, async (t) => {
      const server = lent(t, await Server.start({ env: { BASE_PATH: "/tesla" } }));
      server.page = `http://127.0.0.1:${server.port}/tesla/`;
      lent(t, await Cars.start(server, 12, "--past", 60));
      const page = await newPage(t, browser);
      const paths = new Set();
      page.on("request", (asked) => paths.add(new URL(asked.url()).pathname));
      await enter(page, server);
      await live(page);
      await openFirstDriving(page);
      await until(page, "its past", () => /of [1-9]/.test(document.getElementById("map").ariaLabel));
      assert.deepEqual([...paths].filter((path) => !path.startsWith("/tesla/")), []);
      assert.ok([...paths].some((path) => path.startsWith("/tesla/vehicles/")));
      clean(page);
    });

    test("in Home Assistant's ingress the page is live in its frame, with the session's cookie on every request", LIMIT, async (t) => {
      const server = lent(t, await Server.start());
      const ingress = lent(t, await Ingress.start(server));
      lent(t, await Cars.start(server, 12, "--past", 60));
      const page = await newPage(t, browser);
      await page.goto(ingress.address);
      const frame = await page.waitForFrame((one) => one.url().includes(INGRESS));
      await live(frame);
      await openFirstDriving(frame);
      await until(frame, "its past", () => /of [1-9]/.test(document.getElementById("map").ariaLabel));
      assert.deepEqual(page.faults, []);
    });
  });
}

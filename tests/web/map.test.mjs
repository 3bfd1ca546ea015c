/** The map under a vehicle's track: tiles of the host that the settings name, and of no other. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { BROWSERS, Cars, Server, Tiles, enter, launch, lent, live, newPage, text } from "./rig.mjs";
import { LIMIT, clean, openFirstDriving, share } from "./steps.mjs";

for (const kind of BROWSERS) {
  describe(`${kind}: a map`, { timeout: 2_400_000 }, () => {
    let browser;

    before(async () => (browser = await launch(kind)));
    after(() => browser?.close());

    test("tiles named by the settings lie under the track, with their credit, and their host learns whose page it is", LIMIT, async (t) => {
      const tiles = lent(t, await Tiles.start("#ff00ff"));
      const env = { MAP_TILES: `http://${tiles.host}/some/{z}/{x}/{y}.svg`, MAP_CREDIT: "© the map's <makers>" };
      const server = lent(t, await Server.start({ env }));
      lent(t, await Cars.start(server, 3, "--past", 60));
      const [page, plain] = [await newPage(t, browser), await newPage(t, browser)];
      await enter(page, server);
      await live(page);
      assert.deepEqual(tiles.asked, []);
      await openFirstDriving(page);
      assert.equal(await text(page, "#map-credit"), env.MAP_CREDIT);
      const began = performance.now();
      while ((await share(page, "#map", [255, 0, 255], plain)) < 0.7) assert.ok(performance.now() - began < 30_000, "no map drawn");
      for (const [path, referrer] of tiles.asked) {
        const [, z, x, y] = /^\/some\/(\d+)\/(\d+)\/(\d+)\.svg$/.exec(path).map(Number);
        assert.ok(x < 2 ** z && y < 2 ** z, path);
        assert.equal(referrer, server.page);
      }
      clean(page, null, [tiles.host]);
    });
  });
}

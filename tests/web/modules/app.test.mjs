/** The session: the token, as it is pasted and as it describes itself. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { web } from "../stage.mjs";

const session = await web("app/session");

test("a token is found in whatever was pasted around it", () => {
  assert.equal(session.findToken("token: \n eyJh.eyJz\n .sig-_ "), "eyJh.eyJz.sig-_");
  assert.equal(session.findToken("https://car.example.com/#token=eyJh.eyJz.sig"), "eyJh.eyJz.sig");
  assert.equal(session.findToken("hello"), null);
  assert.deepEqual(session.claims(`x.${Buffer.from('{"sub":"ü"}').toString("base64url")}.y`), { sub: "ü" });
  assert.deepEqual(session.claims("nonsense"), {});
});

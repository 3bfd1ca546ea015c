/** The stream: a subscription that outlives its sockets. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FakeSocket, answers, data, hello, pass, settle, stopTheClock, web } from "../stage.mjs";

const { retryDelay } = await web("stream/backoff");
const { failureReason, getJson } = await web("stream/http");
const { Stream } = await web("stream/stream");

stopTheClock();

describe("a stream", () => {
  /** A stream with everything that it says kept under `told`. */
  function subscribe(query = {}) {
    const told = { events: [], gaps: [], states: [], other: [] };
    const stream = new Stream(() => "to.ke.n", query, {
      event: ({ seq }) => told.events.push(seq),
      gap: ({ from, to }) => told.gaps.push([from, to]),
      state: (state, { text }) => told.states.push([state, text]),
      expiring: (exp) => told.other.push(["expiring", exp]),
      renewed: (exp) => told.other.push(["renewed", exp]),
      refused: (reason) => told.other.push(["refused", reason]),
    });
    return { stream, told };
  }

  test("shows its token as a subprotocol, and in no address", () => {
    subscribe();
    assert.deepEqual(FakeSocket.last.protocols, ["teslafast.v1", "bearer.to.ke.n"]);
    assert.equal(FakeSocket.last.url.href, "wss://host.example/stream?snapshot=1");
  });

  test("goes on after the last event that it was given, in the same life of the log", async () => {
    const { told } = subscribe();
    FakeSocket.last.open();
    FakeSocket.last.say(hello(7), data(8, 0), data(9, 1));
    FakeSocket.last.lose();
    await pass(500);
    const { searchParams } = FakeSocket.last.url;
    assert.deepEqual([searchParams.get("since"), searchParams.get("epoch")], ["9", "e1"]);
    FakeSocket.last.open();
    FakeSocket.last.say(hello(11), data(10, 2), data(11, 3));
    assert.deepEqual(told.events, [8, 9, 10, 11]);
  });

  test("goes on where it began if no event came", async () => {
    subscribe();
    FakeSocket.last.open();
    FakeSocket.last.say(hello(7));
    FakeSocket.last.lose();
    await pass(500);
    assert.equal(FakeSocket.last.url.searchParams.get("since"), "7");
  });

  test("begins anew in another life of the log, and tells what was lost", async () => {
    const { stream, told } = subscribe();
    FakeSocket.last.open();
    FakeSocket.last.say(hello(700), data(701, 0));
    FakeSocket.last.lose();
    await pass(500);
    FakeSocket.last.open();
    FakeSocket.last.say(hello(3, "e2"), { type: "gap", from: 1, to: 1 }, data(2, 1), data(3, 2));
    assert.deepEqual([stream.seq, stream.epoch], [3, "e2"]);
    assert.deepEqual(told.gaps, [[1, 1]]);
  });

  test("waits longer each time, and tells that it waits", async () => {
    const { told } = subscribe();
    for (const ms of [500, 1000, 2000]) {
      FakeSocket.last.lose();
      await settle();
      const before = FakeSocket.made.length;
      await pass(ms - 1);
      assert.equal(FakeSocket.made.length, before);
      await pass(1);
      assert.equal(FakeSocket.made.length, before + 1);
    }
    assert.ok(told.states.some(([state]) => state === "waiting"));
  });

  test("gives an overloaded server time, and a full one what it asks for", async () => {
    subscribe();
    FakeSocket.last.open();
    FakeSocket.last.say(hello(1));
    FakeSocket.last.lose(1013);
    await pass(4999);
    assert.equal(FakeSocket.made.length, 1);
    await pass(1);
    Object.assign(answers, { status: 503, headers: new Map([["Retry-After", "9"]]) });
    FakeSocket.last.lose();
    await settle();
    await pass(8999);
    assert.equal(FakeSocket.made.length, 2);
    await pass(1);
    assert.equal(FakeSocket.made.length, 3);
  });

  for (const [what, lose] of [
    ["when the server says why it ends", () => { FakeSocket.last.open(); FakeSocket.last.lose(1008, "the token has expired"); }],
    ["when its token is refused at the door", () => { answers.status = 401; FakeSocket.last.lose(); }],
  ]) {
    test(`ends for good ${what}`, async () => {
      const { told } = subscribe();
      lose();
      await settle();
      const [state, text] = told.states.at(-1);
      assert.equal(state, "ended");
      assert.match(text, /expired/);
      await pass(60_000);
      assert.equal(FakeSocket.made.length, 1);
    });
  }

  test("leaves a socket that answers nothing any more", async () => {
    subscribe();
    FakeSocket.last.open();
    FakeSocket.last.say(hello(1));
    const [dead] = FakeSocket.made;
    await pass(12_000);
    assert.ok(dead.closed);
    await pass(500);
    assert.equal(FakeSocket.made.length, 2);
  });

  test("asks whether the server is there again and again, and hears a new token's answer apart from that", async () => {
    const { stream, told } = subscribe();
    FakeSocket.last.open();
    FakeSocket.last.say(hello(1));
    stream.renew("new");
    FakeSocket.last.say({ type: "pong" });
    assert.deepEqual(told.other, []);
    FakeSocket.last.say({ type: "error", reason: "the token is another sub's" });
    FakeSocket.last.say({ type: "auth", exp: 5 });
    assert.deepEqual(told.other, [["refused", "the token is another sub's"], ["renewed", 5]]);
    await pass(8000);
    assert.deepEqual(FakeSocket.last.sent, [{ type: "ping" }, { type: "auth", token: "new" }, { type: "ping" }]);
  });
});

test("waits are bounded", () => {
  assert.deepEqual([retryDelay(0, 0, 1), retryDelay(3, 0, 0), retryDelay(50, 0, 1), retryDelay(0, 9000, 0)], [500, 2000, 15_000, 9000]);
});

for (const [status, headers, reason] of [
  [401, {}, { refused: "The server rejected this token: it has expired, or it belongs to another server." }],
  [403, {}, { refused: "The server does not allow this token, or this page's origin." }],
  [503, { "Retry-After": "7" }, { least: 7000, text: "Server full or restarting" }],
  [503, {}, { least: 5000, text: "Server full or restarting" }],
  [404, {}, { least: 0, text: "Stream unavailable" }],
  [0, {}, { least: 0, text: "Server unreachable" }],
]) {
  test(`a stream refused with ${status || "no answer"} and ${JSON.stringify(headers)} has its reason`, async () => {
    Object.assign(answers, { status, headers: new Map(Object.entries(headers)) });
    assert.deepEqual(await failureReason("to.ke.n"), reason);
  });
}

test("a network that fails is an answer without JSON", async (t) => {
  t.mock.method(globalThis, "fetch", () => Promise.reject(new TypeError("no network")));
  assert.deepEqual(await failureReason("to.ke.n"), { least: 0, text: "Server unreachable" });
  assert.equal(await getJson("/health"), null);
});

test("JSON that is cut off on the way is null", async (t) => {
  t.mock.method(globalThis, "fetch", async () => ({ ok: true, json: () => Promise.reject(new SyntaxError("unexpected end")) }));
  assert.equal(await getJson("/health"), null);
});

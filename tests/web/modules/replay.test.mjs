/** A replay: the log's events, each at its own time. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FakeSocket, START, data, drift, hello, settle, stopTheClock, web } from "../stage.mjs";

const { ReplayClock } = await web("replay/replay_clock");

stopTheClock();

describe("a replay", () => {
  /** Gives the newest socket a log of events to read. */
  async function tell(events, head = events.at(-1)?.seq ?? 0) {
    const since = Number(FakeSocket.last.url.searchParams.get("since"));
    FakeSocket.last.open();
    FakeSocket.last.say(hello(head), ...events.filter(({ seq }) => seq > since));
    await settle();
  }

  function play(seq) {
    const told = { seqs: [], caughtUp: 0 };
    const replay = new ReplayClock(() => "to.ke.n", { seq, oldest: 1, epoch: "e1" }, { event: (event) => told.seqs.push(event.seq), caughtUp: () => (told.caughtUp += 1), failed: () => undefined });
    const present = START + 3_600_000;
    const tick = (ms) => replay.tick(ms, present);
    return { replay, told, tick };
  }

  const drive = Array.from({ length: 10 }, (_, index) => data(index + 1, index));

  test("runs up to its moment at once, and then goes by the events' own time", async () => {
    const { replay, told, tick } = play(4);
    await tell(drive);
    tick(16);
    assert.deepEqual(told.seqs, [1, 2, 3, 4]);
    tick(16);
    tick(1000);
    tick(0);
    assert.deepEqual(told.seqs, [1, 2, 3, 4, 5]);
    replay.speed = 2;
    tick(1000);
    tick(0);
    assert.deepEqual(told.seqs.slice(-2), [6, 7]);
  });

  test("stands still while it is paused", async () => {
    const { replay, told, tick } = play(4);
    await tell(drive);
    tick(16);
    replay.playing = false;
    for (let count = 0; count < 10; count++) tick(1000);
    assert.equal(told.seqs.at(-1), 4);
  });

  test("is not held up by a car whose clock is ahead, nor waits for one that is late", async () => {
    const { told, tick } = play(1);
    const hour = 3600;
    await tell([data(1, 0), data(2, hour, {}, "ahead"), data(3, 0.2), data(4, -hour, {}, "late"), data(5, 0.4), data(6, 0.6), data(7, 60)]);
    tick(16);
    for (let count = 0; count < 3; count++) tick(300);
    assert.deepEqual(told.seqs.slice(0, 6), [1, 2, 3, 4, 5, 6]);
    assert.equal(told.seqs.includes(7), false);
  });

  test("leaps over the time in which nothing happened", async () => {
    const { told, tick } = play(1);
    await tell([data(1, 0), data(2, 900)]);
    for (let count = 0; count < 6; count++) tick(600);
    assert.deepEqual(told.seqs, [1, 2]);
  });

  test("reads the next piece from where the last one ended, and tells nothing twice", async () => {
    const { told, tick } = play(1);
    const long = Array.from({ length: 13_000 }, (_, index) => data(index + 1, index / 1000));
    await tell(long.slice(0, 12_000), 13_000);
    assert.ok(FakeSocket.last.closed);
    tick(16);
    tick(0);
    tick(11_700);
    tick(0);
    assert.equal(FakeSocket.last.url.searchParams.get("since"), "12000");
    await tell(long, 13_000);
    for (let count = 0; count < 3; count++) tick(1000);
    assert.deepEqual(told.seqs, long.map(({ seq }) => seq));
  });

  test("says when the log has no more", async () => {
    const { told, tick } = play(2);
    await tell([data(1, 0), data(2, 1)]);
    tick(16);
    drift(1000);
    tick(16);
    tick(16);
    await tell([], 2);
    tick(16);
    assert.ok(told.caughtUp > 0);
  });
});

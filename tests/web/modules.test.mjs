/** The page's modules by themselves: the laws that they state, without a browser. */

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, mock, test } from "node:test";
import { FakeSocket, answers, settle } from "./stage.mjs";

const web = (name) => import(new URL(`../../teslafast/web/${name}.js`, import.meta.url));
const session = await web("app/session");
const { Fleet } = await web("model/fleet");
const { POWER, Series, VehicleHistory } = await web("model/series");
const { Stats, verdict } = await web("model/stats");
const { ReplayClock } = await web("replay/replay_clock");
const { retryDelay } = await web("stream/backoff");
const { Stream } = await web("stream/stream");
const format = await web("views/format");

const START = Date.parse("2026-11-23T08:00:00Z");
const at = (seconds) => new Date(START + seconds * 1000).toISOString();
const data = (seq, seconds, fields = { VehicleSpeed: seq }, vin = "A") => ({ type: "data", seq, vin, createdAt: at(seconds), data: fields, isResend: false });
const hello = (seq, epoch = "e1", oldest = 1) => ({ type: "hello", epoch, seq, oldest, server: "teslafast/0" });

let clock;

beforeEach(() => {
  FakeSocket.made.length = 0;
  Object.assign(answers, { status: 200, headers: new Map() });
  clock = 0;
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: START });
  mock.method(performance, "now", () => clock);
  mock.method(Math, "random", () => 1);
});
afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

const pass = async (ms) => {
  clock += ms;
  mock.timers.tick(ms);
  await settle();
};

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

  test("tells the answer to a new token from the answers to its probes", () => {
    const { stream, told } = subscribe();
    FakeSocket.last.open();
    FakeSocket.last.say(hello(1));
    stream.renew("new");
    FakeSocket.last.say({ type: "auth", exp: 5 });
    assert.deepEqual(told.other, []);
    FakeSocket.last.say({ type: "error", reason: "the token is another sub's" });
    assert.deepEqual(told.other, [["refused", "the token is another sub's"]]);
    assert.deepEqual(FakeSocket.last.sent.map(({ token }) => token), ["to.ke.n", "new"]);
  });
});

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
    clock += 1000;
    tick(16);
    tick(16);
    await tell([], 2);
    tick(16);
    assert.ok(told.caughtUp > 0);
  });
});

describe("what is known of a vehicle", () => {
  const now = START + 10_000;

  test("a later value replaces an earlier one, never the other way round", () => {
    const fleet = new Fleet();
    fleet.take(data(1, 5, { Soc: 50, Gear: "ShiftStateP" }), now);
    fleet.take(data(2, 3, { Soc: 49 }), now);
    assert.equal(fleet.vehicle("A").value("Soc"), 50);
    fleet.take(data(3, 6, { Soc: 48 }), now);
    assert.deepEqual([fleet.vehicle("A").value("Soc"), fleet.vehicle("A").gear], [48, "P"]);
  });

  test("a time far in the future holds only until a sane one comes", () => {
    const fleet = new Fleet();
    fleet.take(data(1, 86_400, { Soc: 1 }), now);
    fleet.take(data(2, 9, { Soc: 2 }), now);
    assert.equal(fleet.vehicle("A").value("Soc"), 2);
  });

  test("a snapshot holds for its seq: what came before it is no news", () => {
    const fleet = new Fleet();
    fleet.take({ type: "snapshot", seq: 10, vin: "A", createdAt: at(8), isCache: true, data: { Soc: 70 } }, now);
    fleet.take(data(10, 9, { Soc: 60 }), now);
    assert.equal(fleet.vehicle("A").value("Soc"), 70);
    fleet.take(data(11, 9, { Soc: 65 }), now);
    assert.equal(fleet.vehicle("A").value("Soc"), 65);
  });

  test("a snapshot keeps the age of what it only repeats", () => {
    const fleet = new Fleet();
    fleet.take(data(1, 2, { Soc: 70 }), now);
    fleet.take({ type: "snapshot", seq: 1, vin: "A", createdAt: at(8), isCache: true, data: { Soc: 70 } }, now);
    assert.equal(fleet.vehicle("A").fields.get("Soc").at, START + 2000);
  });

  test("silence and a lost link make it stale", () => {
    const fleet = new Fleet();
    fleet.take(data(1, 10), now);
    const vehicle = fleet.vehicle("A");
    assert.deepEqual([vehicle.stale(now), vehicle.stale(now + 61_000)], [false, true]);
    fleet.take({ type: "connectivity", seq: 2, vin: "A", createdAt: at(11), status: "DISCONNECTED" }, now);
    assert.deepEqual([vehicle.stale(now), vehicle.condition(now)], [true, "offline"]);
  });

  test("a clock that is off is known from the least delay", () => {
    const fleet = new Fleet();
    fleet.take(data(1, 3610), now);
    assert.equal(fleet.vehicle("A").skew, -3_600_000);
    fleet.take(data(1, 10, {}, "B"), now + 150);
    assert.equal(fleet.vehicle("B").skew, 0);
  });

  test("samples of speed that are read back go before those that are there", () => {
    const vehicle = new Fleet().vehicle("A");
    for (const second of [50, 51, 20, 10, 30]) vehicle.addSpeed(second * 1000, second);
    assert.deepEqual([...vehicle.trace.speed.subarray(0, vehicle.trace.size)], [10, 20, 30, 50, 51]);
    for (let second = 60; second < 400; second++) vehicle.addSpeed(second * 1000, second);
    assert.equal(vehicle.trace.size, 128);
    assert.equal(vehicle.trace.speed[127], 399);
  });
});

describe("a vehicle's past", () => {
  test("a series lets its older half go when it is full, and stays in order", () => {
    const series = new Series();
    for (let index = 0; index < 20_000; index++) series.push(index, index);
    assert.ok(series.size <= 8192 && series.size > 4000);
    assert.equal(series.at[series.size - 1], 19_999);
    assert.equal(series.rows[0][series.find(19_000)], 19_000);
    series.push(5, 5);
    assert.equal(series.at[series.size - 1], 19_999);
  });

  test("words become steps, and power comes of voltage and current", () => {
    const history = new VehicleHistory();
    history.take(data(1, 1, { Gear: "ShiftStateP", Locked: true, PackVoltage: 400, PackCurrent: -50 }));
    history.take(data(2, 2, { Gear: "ShiftStateD" }));
    assert.deepEqual(history.series.get("Gear").words, ["ShiftStateP", "ShiftStateD"]);
    assert.equal(history.series.get(POWER).rows[0][0], 20);
    assert.deepEqual(history.series.get("Locked").words, ["yes"]);
  });
});

describe("what people read", () => {
  test("vehicles' units become the reader's", () => {
    format.units.metric = true;
    assert.deepEqual(["VehicleSpeed", "InsideTemp", "TpmsPressureFl", "Odometer"].map((field) => format.formatValue(field, 50)), ["80 km/h", "50.0 °C", "50.00 bar", "80 km"]);
    format.units.metric = false;
    assert.deepEqual(["VehicleSpeed", "InsideTemp", "Odometer"].map((field) => format.formatValue(field, 50)), ["50 mph", "122 °F", "50 mi"]);
  });

  test("any value has a line", () => {
    const cases = [[null, "–"], [true, "yes"], ["ShiftStateD", "D"], ["Snow", "Snow"], [{ latitude: -1.5, longitude: 2 }, "1.50000° S  2.00000° E"], [{ DriverFront: true, TrunkRear: false }, "DriverFront"], [{ hour: 7, minute: 5, second: null }, "07:05:00"]];
    for (const [value, text] of cases) assert.equal(format.formatValue("X", value), text);
  });

  test("an age has one unit", () => {
    assert.deepEqual([-5, 900, 59_000, 61_000, 7_300_000, 200_000_000, NaN].map(format.formatAge), ["now", "now", "59 s", "1 min", "2 h", "2 d", ""]);
  });

  test("a token is found in whatever was pasted around it", () => {
    assert.equal(session.findToken("token: \n eyJh.eyJz\n .sig-_ "), "eyJh.eyJz.sig-_");
    assert.equal(session.findToken("hello"), null);
    assert.deepEqual(session.claims(`x.${Buffer.from('{"sub":"ü"}').toString("base64url")}.y`), { sub: "ü" });
    assert.deepEqual(session.claims("nonsense"), {});
  });

  test("waits are bounded", () => {
    assert.deepEqual([retryDelay(0, 0, 1), retryDelay(3, 0, 0), retryDelay(50, 0, 1), retryDelay(0, 9000, 0)], [500, 2000, 15_000, 9000]);
  });

  test("the verdict names who is slow", () => {
    const stats = new Stats();
    stats.event(100, 20);
    stats.tick();
    assert.deepEqual(verdict(stats, "live", 0), [true, "Neither: all is well."]);
    assert.match(verdict(stats, "waiting", 0)[1], /not connected/);
    assert.match(verdict(stats, "live", 60_000)[1], /clock/);
    stats.roundTrip = 1500;
    assert.match(verdict(stats, "live", 0)[1], /network/);
    stats.busy = 900;
    assert.match(verdict(stats, "live", 0)[1], /browser/);
  });
});

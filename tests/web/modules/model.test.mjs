/** The model: what is known of the vehicles, from the events alone. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { START, at, data, web } from "../stage.mjs";

const { Fleet } = await web("model/fleet");
const { POWER, Series, VehicleHistory } = await web("model/series");
const { Stats, verdict } = await web("model/stats");

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
    assert.deepEqual([fleet.vehicle("A").skew, fleet.vehicle("A").behind], [-3_600_000, 0]);
    fleet.take(data(2, 5), now);
    assert.equal(fleet.vehicle("A").skew, 0);
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
  });

  test("a point from before the last one is inserted where it belongs", () => {
    const series = new Series(2);
    for (const at of [10, 30, 20, 20, 5, 40]) series.push(at, at + series.size / 10, -at);
    assert.deepEqual([...series.at.subarray(0, 6)], [5, 10, 20, 20, 30, 40]);
    assert.deepEqual([...series.rows[0].subarray(0, 6)], [5.4, 10, 20.2, 20.3, 30.1, 40.5]);
    assert.deepEqual([...series.rows[1].subarray(0, 6)], [-5, -10, -20, -20, -30, -40]);
  });

  test("a field with ever new texts keeps a bounded number of them, and gaps for the rest", () => {
    const history = new VehicleHistory();
    for (let seq = 1; seq <= 300; seq++) history.take(data(seq, seq, { MediaNowPlayingTitle: `title ${seq}` }));
    const { words, rows, size } = history.series.get("MediaNowPlayingTitle");
    assert.deepEqual([words.length, size, rows[0][255], rows[0][256]], [256, 300, 255, NaN]);
  });

  test("of many alerts in each event only the latest 200 are kept", () => {
    const history = new VehicleHistory();
    const alerts = Array.from({ length: 150 }, (_, index) => ({ name: `alert ${index}` }));
    for (let seq = 1; seq <= 4; seq++) history.take({ type: "alerts", seq, vin: "A", createdAt: at(seq), alerts });
    assert.equal(history.events.length, 200);
    assert.equal(history.events.at(-1).item.name, "alert 149");
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

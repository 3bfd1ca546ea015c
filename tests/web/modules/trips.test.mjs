/** The drives and charges in a vehicle's past. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { START, data, web } from "../stage.mjs";

const { VehicleHistory } = await web("model/series");
const { findTrips } = await web("model/trips");

const MINUTE = 60;

/** A history of [minute, fields]; each event's seq is ten times its minute, and one. */
function historyOf(...steps) {
  const history = new VehicleHistory();
  for (const [minute, fields] of steps) history.take(data(minute * 10 + 1, minute * MINUTE, fields));
  return history;
}

const minutes = (at) => (at - START) / (MINUTE * 1000);
const spans = (history) => findTrips(history).map(({ kind, from, to }) => [kind, minutes(from), minutes(to)]);
const gear = (letter, more = {}) => ({ Gear: `ShiftState${letter}`, ...more });

describe("trips", () => {
  test("a drive is from D until P, with its length, charge and greatest speed, and a place of the log before it", () => {
    const history = historyOf([0, gear("P", { Odometer: 100, Soc: 80 })], [5, gear("D")], [10, { VehicleSpeed: 61 }], [20, gear("P", { Odometer: 112, Soc: 76 })]);
    const [trip] = findTrips(history);
    assert.deepEqual(spans(history), [["drive", 5, 20]]);
    assert.deepEqual([trip.miles, trip.soc, trip.mph, trip.seq], [12, [80, 76], 61, 1]);
  });

  test("a short stop belongs to the drive, a long one ends it", () => {
    const history = historyOf([0, gear("D")], [10, gear("P")], [12, gear("R")], [20, gear("P")], [24, gear("D")], [30, gear("P")]);
    assert.deepEqual(spans(history), [["drive", 24, 30], ["drive", 0, 20]]);
  });

  test("a charge during a short stop ends the drive", () => {
    const charge = (state) => ({ DetailedChargeState: `DetailedChargeState${state}` });
    const history = historyOf([0, gear("D", { Soc: 20 })], [10, gear("P")], [10.5, charge("Charging")], [11, { DCChargingPower: 150 }], [11.5, charge("Complete")], [12, gear("D")], [20, gear("P")]);
    assert.deepEqual(spans(history), [["drive", 12, 20], ["charge", 10.5, 11.5], ["drive", 0, 10]]);
    assert.equal(findTrips(history)[1].kw, 150);
  });

  test("what goes on has no end", () => {
    const history = historyOf([0, gear("P")], [3, gear("D")], [9, { VehicleSpeed: 3 }]);
    assert.deepEqual(spans(history), [["drive", 3, NaN]]);
  });

  test("moving the car out of the way is no drive, and a car that tells no gear has none", () => {
    assert.deepEqual(spans(historyOf([1, gear("D")], [1.2, gear("P")])), []);
    assert.deepEqual(spans(historyOf([1, { VehicleSpeed: 50 }])), []);
    assert.deepEqual(findTrips(new VehicleHistory()), []);
  });

  test("a gear that the car cannot tell ends the drive", () => {
    assert.deepEqual(spans(historyOf([0, gear("D")], [10, { Gear: null }], [20, { Soc: 1 }])), [["drive", 0, 10]]);
  });
});

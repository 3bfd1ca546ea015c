/** What people read: values, units and ages as text. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { web } from "../stage.mjs";

const format = await web("views/format");

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

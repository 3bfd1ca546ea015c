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

test("a member of an enum is in words, and what is no enum's stays as it is", () => {
  assert.deepEqual(["CarTypeModel3", "CarTypeModelY", "DetailedChargeStateNoPower", "CableTypeIEC", "MediaStatusPlaying", "74D", "APP_w222"].map(format.enumLabel), ["Model 3", "Model Y", "No power", "IEC", "Playing", "74D", "APP_w222"]);
});

test("a span of time has hours and minutes, and a number of bytes its unit", () => {
  assert.deepEqual([42_000, 60_000, 3_600_000, 4_800_000, -1].map(format.formatSpan), ["42 s", "1 min", "1 h", "1 h 20 min", "0 s"]);
  assert.deepEqual([640_000, 1_500_000, 2.5e9].map(format.formatBytes), ["640 kB", "1.5 MB", "2.50 GB"]);
});

test("the outline of the land is on the sheet, and every ring is closed by few points", async () => {
  const { decodeLand } = await web("views/land");
  const rings = decodeLand();
  assert.ok(rings.length > 50 && rings.every((ring) => ring.length >= 3));
  assert.ok(rings.flat().every(([longitude, latitude]) => Math.abs(longitude) < 200 && latitude < 84 && latitude > -60));
  const inside = (longitude, latitude) => rings.filter((ring) => ring.reduce((odd, [x, y], index) => {
    const [px, py] = ring.at(index - 1);
    return y > latitude !== py > latitude && longitude < ((px - x) * (latitude - y)) / (py - y) + x ? !odd : odd;
  }, false)).length % 2 === 1;
  assert.deepEqual([[11, 48], [-100, 40], [135, -25], [20, 0], [-30, 45], [-150, 0], [80, -20]].map((place) => inside(...place)), [true, true, true, true, false, false, false]);
});

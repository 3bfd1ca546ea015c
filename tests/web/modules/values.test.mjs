/** What vehicles say of another type, size or place than it should be: nothing of that may end the drawing. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { START, at, data, web } from "../stage.mjs";

const { Fleet } = await web("model/fleet");
const { VehicleHistory } = await web("model/series");
const { FIELDS_MOST, TEXT_MOST, cleanFields, cleanText, cleanValue } = await web("model/values");
const { formatValue } = await web("views/format");

const now = START + 10_000;
const ODD = [null, true, false, 0, -0, 1e300, "", " ", "x", "12", "<invalid>", "1e999", "NaN", [], [1, [2]], {}, { a: { b: { c: 1 } } }, { latitude: "x" }, "\u202eabc", "x".repeat(1e6), "9".repeat(1e6), "🚗".repeat(400)];
const NUMBERS = ["VehicleSpeed", "Soc", "BatteryLevel", "PackVoltage", "DCChargingPower", "ACChargingPower", "ChargeLimitSoc", "TimeToFullCharge", "InsideTemp", "Odometer", "GpsHeading", "TpmsPressureFl", "EstBatteryRange"];
const WORDS = ["Gear", "DetailedChargeState", "ChargeState", "VehicleName", "CarType", "Trim", "Version"];

describe("a value", () => {
  test("of a field of numbers is a finite number, null, or passed over", () => {
    for (const name of NUMBERS)
      for (const odd of ODD) {
        const value = cleanValue(name, odd);
        assert.ok(value === undefined || value === null || Number.isFinite(value), `${name} ${typeof odd}`);
      }
    assert.deepEqual(["45", " 4.5 ", "-1e2", ".5", "+3"].map((text) => cleanValue("VehicleSpeed", text)), [45, 4.5, -100, 0.5, 3]);
    assert.deepEqual(["", "4 5", "0x10", "Infinity", "1e999", true, [], {}].map((odd) => cleanValue("VehicleSpeed", odd)), Array(8).fill(undefined));
  });

  test("of a field of words is a text, also where the schema has no word for its number", () => {
    for (const name of WORDS) for (const odd of ODD) assert.ok([undefined, null, "string"].includes(cleanValue(name, odd) ?? undefined) || typeof cleanValue(name, odd) === "string", name);
    assert.equal(cleanValue("DetailedChargeState", 17), "17");
    assert.deepEqual(["VehicleName", "Trim", "MediaNowPlayingTitle"].map((name) => cleanValue(name, "74")), ["74", "74", "74"]);
  });

  test("of any other field is what old firmware's text says", () => {
    assert.deepEqual(["12.5", "true", "False", "<invalid>", "ShiftStateP"].map((text) => cleanValue("Anything", text)), [12.5, true, false, null, "ShiftStateP"]);
    assert.deepEqual(cleanValue("DoorState", "DriverFront|TrunkRear"), { DriverFront: true, TrunkRear: true });
  });

  test("of a place is one on Earth", () => {
    assert.deepEqual(cleanValue("Location", { latitude: "48.1", longitude: -180 }), { latitude: 48.1, longitude: -180 });
    for (const [latitude, longitude] of [[91, 0], [0, 181], [1, 1e300], [NaN, 1], [null, 1], [undefined, 1], ["north", 1], [[1], 1]]) assert.equal(cleanValue("Location", { latitude, longitude }), undefined);
    for (const odd of ["x", 1, true, [], {}]) assert.equal(cleanValue("DestinationLocation", odd), undefined);
  });

  test("has one line of bounded text, whatever it is", () => {
    for (const name of [...NUMBERS, ...WORDS, "Location", "DoorState", "SentryMode", "Locked", "Else"])
      for (const odd of ODD) {
        const value = cleanValue(name, odd);
        if (value !== undefined) assert.ok(formatValue(name, value).length < 600, name);
      }
    assert.equal(cleanText("x".repeat(TEXT_MOST + 5)).length, TEXT_MOST);
  });

  test("cannot turn its neighbours round", () => {
    assert.equal(cleanText("a\u202eb\u2066c\u200fd\ne\u0000"), "a b c d e ");
    assert.equal(cleanText("שלום 7"), "שלום 7");
  });
});

describe("a vehicle that says odd things", () => {
  test("is drawn from values of the right type only", () => {
    for (const odd of ODD) {
      const fleet = new Fleet();
      const all = [...NUMBERS, ...WORDS, "Location", "DoorState", "PackCurrent"];
      const event = data(1, 1, Object.fromEntries(all.map((name) => [name, odd])));
      fleet.take(event, now);
      fleet.take({ ...event, type: "snapshot", seq: 2 }, now);
      fleet.recall(event, now);
      new VehicleHistory().take(event, now);
      const vehicle = fleet.vehicle("A");
      assert.equal(typeof vehicle.name, "string");
      assert.match(vehicle.condition(now), /driving|charging|parked/);
      for (const value of [vehicle.speed, vehicle.charge, vehicle.power, vehicle.chargingPower]) assert.ok(value === undefined || value === null || Number.isFinite(value));
    }
  });

  test("keeps its right values when odd ones come", () => {
    const fleet = new Fleet();
    fleet.take(data(1, 1, { VehicleSpeed: 30, Location: { latitude: 1, longitude: 2 } }), now);
    fleet.take(data(2, 2, { VehicleSpeed: {}, Location: { latitude: 1, longitude: 1e300 } }), now);
    assert.deepEqual([fleet.vehicle("A").speed, fleet.vehicle("A").value("Location").longitude], [30, 2]);
  });

  test("by null does not unsay what lasts, but what changes by the second", () => {
    const fleet = new Fleet();
    fleet.take(data(1, 1, { VehicleName: "Zoe", Soc: 70, Odometer: 5, VehicleSpeed: 30, Gear: "ShiftStateD" }), now);
    fleet.take(data(2, 2, { VehicleName: null, Soc: null, Odometer: null, VehicleSpeed: null, Gear: null }), now);
    const vehicle = fleet.vehicle("A");
    assert.deepEqual([vehicle.name, vehicle.charge, vehicle.value("Odometer"), vehicle.value("VehicleSpeed"), vehicle.gear], ["Zoe", 70, 5, null, ""]);
    assert.equal(vehicle.fields.get("Soc").at, START + 1000);
    fleet.take({ type: "snapshot", seq: 3, vin: "A", createdAt: at(3), data: { Soc: null, VehicleSpeed: null } }, now);
    assert.equal(vehicle.charge, 70);
  });

  test("in 60,000 unknown fields leaves room for the known ones", () => {
    const fleet = new Fleet();
    const history = new VehicleHistory();
    const flood = data(1, 1, Object.fromEntries(Array.from({ length: 60_000 }, (_, index) => [`Field_${100_000 + index}`, index])));
    for (const event of [flood, data(2, 2, { Soc: 70, VehicleSpeed: 3 })]) {
      fleet.take(event, now);
      history.take(event, now);
    }
    assert.ok(fleet.vehicle("A").fields.size < 100 && history.series.size < 100);
    assert.deepEqual([fleet.vehicle("A").charge, history.series.get("Soc").size], [70, 1]);
    const named = data(3, 3, Object.fromEntries(Array.from({ length: 60_000 }, (_, index) => [`x${index}`, "y".repeat(50)])));
    fleet.take(named, now);
    history.take(named, now);
    assert.deepEqual([fleet.vehicle("A").fields.size, history.series.size], [FIELDS_MOST, FIELDS_MOST]);
  });

  test("in alerts and errors is bounded, and nothing of them has to be there", () => {
    const fleet = new Fleet();
    const history = new VehicleHistory();
    for (const alerts of [undefined, null, "x", [null, 1, {}, { name: 5 }, { name: "A1" }], Array.from({ length: 5000 }, (_, index) => ({ name: `flood ${index}`, audiences: {} }))]) {
      const event = { type: "alerts", seq: 1, vin: "A", createdAt: at(1), alerts };
      fleet.take(event, now);
      history.take(event, now);
    }
    assert.equal(fleet.vehicle("A").alerts.size, 200);
    history.take({ type: "errors", seq: 2, vin: "A", createdAt: at(2), errors: [{ name: "E", body: "z".repeat(900_000), tags: { a: "\u202eb", c: {} } }] }, now);
    const { item } = history.events.at(-1);
    assert.deepEqual([item.body.length, item.tags], [TEXT_MOST, ["a  b", "c {}"]]);
  });

  test("in words and numbers of one field keeps the kind that came first", () => {
    const history = new VehicleHistory();
    for (const [seq, value] of [null, "on", 7, "off", { a: 1 }].entries()) history.take(data(seq, seq, { Odd: value }));
    const { words, size } = history.series.get("Odd");
    assert.deepEqual([words, size], [["on", "off"], 3]);
  });

  test("cannot reach what objects inherit", () => {
    const fields = Object.fromEntries(cleanFields(JSON.parse('{"__proto__": {"polluted": 1}, "constructor": 1, "toString": "x"}')));
    assert.deepEqual(Object.keys(fields), ["__proto__", "constructor", "toString"]);
    new VehicleHistory().take(data(1, 1, JSON.parse('{"toString": 1, "PackVoltage": 2}')), now);
    assert.equal({}.polluted, undefined);
  });
});

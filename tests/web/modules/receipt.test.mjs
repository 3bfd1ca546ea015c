/** The rule of time: a vehicle's clock that is ahead of receipt has no say, on any part of the page. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { START, at, data, web } from "../stage.mjs";

const { Fleet } = await web("model/fleet");
const { POWER, VehicleHistory } = await web("model/series");
const { receiptTime } = await web("model/receipt");

const YEAR_S = 31_536_000;
const NOW_S = 100;
const now = START + NOW_S * 1000;
const snapshot = (seq, seconds, fields) => ({ type: "snapshot", seq, vin: "A", createdAt: at(seconds), isCache: true, data: fields });
const points = ({ at: times, rows, size }) => [...times.subarray(0, size)].map((time, index) => [(time - START) / 1000, rows[0][index]]);

test("a time ahead of receipt, or none, is the moment of receipt", () => {
  assert.deepEqual([50, 100, 150, NaN].map((time) => receiptTime(time, 100)), [50, 100, 100, 100]);
});

describe("a vehicle whose clock is ahead", () => {
  for (const ahead of [1, 30, 299, 301, YEAR_S]) {
    test(`by ${ahead} s: what arrives later wins`, () => {
      const fleet = new Fleet();
      fleet.take(data(1, NOW_S + ahead, { Soc: 1, Gear: "ShiftStateP" }), now);
      fleet.take(data(2, NOW_S - 1, { Soc: 2 }), now + 1000);
      assert.deepEqual([fleet.vehicle("A").value("Soc"), fleet.vehicle("A").gear], [2, "P"]);
      assert.equal(fleet.vehicle("A").fields.get("Gear").at <= now, true);
    });
  }

  test("a re-send does not win over it", () => {
    const fleet = new Fleet();
    fleet.take(data(1, NOW_S + 60, { Soc: 1 }), now);
    fleet.take({ ...data(2, NOW_S - 50, { Soc: 2 }), isResend: true }, now + 1000);
    assert.equal(fleet.vehicle("A").value("Soc"), 1);
  });

  test("a field of a snapshot is replaced by what comes after it, whatever the snapshot's time", () => {
    for (const seconds of [NOW_S - 1, NOW_S + 300, NOW_S + YEAR_S]) {
      const fleet = new Fleet();
      fleet.take(snapshot(5, seconds, { Soc: 50, Gear: "ShiftStateP" }), now);
      fleet.take(data(6, NOW_S - 20, { Soc: 51 }), now);
      assert.deepEqual([fleet.vehicle("A").value("Soc"), fleet.vehicle("A").gear], [51, "P"]);
      fleet.take({ ...data(7, NOW_S - 60, { Gear: "ShiftStateD" }), isResend: true }, now);
      assert.equal(fleet.vehicle("A").gear, "P");
    }
  });

  test("a snapshot's values get the times that the server knows", () => {
    const fleet = new Fleet();
    fleet.take(snapshot(5, 90, { Soc: 50, Gear: "ShiftStateP", constructor: 1 }), now);
    fleet.vehicle("A").learnTimes({ Soc: at(20), Gear: at(95) });
    assert.deepEqual(["Soc", "Gear"].map((name) => fleet.vehicle("A").fields.get(name).at), [START + 20_000, START + 90_000]);
  });

  test("in a replay, which knows no receipt, what stands later in the log wins", () => {
    const fleet = new Fleet();
    for (const event of [data(1, 400, { Soc: 1 }), data(2, 10, { Soc: 2 })]) fleet.take(event, Date.parse(event.createdAt));
    assert.equal(fleet.vehicle("A").value("Soc"), 2);
  });

  test("its clock is said to be ahead, and right again as soon as it is", () => {
    const fleet = new Fleet();
    fleet.take(data(1, NOW_S + YEAR_S), now);
    assert.deepEqual([fleet.vehicle("A").skew, fleet.vehicle("A").behind], [-YEAR_S * 1000, 0]);
    fleet.take(data(2, NOW_S), now + 100);
    assert.equal(fleet.vehicle("A").skew, 0);
  });

  test("when the server's own clock is set back, values, times and the row's trace go on", () => {
    const fleet = new Fleet();
    const ahead = now + YEAR_S * 1000;
    for (let second = 0; second < 200; second += 1) fleet.take(data(second + 1, NOW_S + YEAR_S + second, { VehicleSpeed: 1, Soc: 1 }), ahead + second * 1000);
    fleet.take(data(201, NOW_S, { VehicleSpeed: 2 }), now);
    fleet.take(data(202, NOW_S + 2, { VehicleSpeed: 3 }), now + 2000);
    const vehicle = fleet.vehicle("A");
    assert.deepEqual([vehicle.speed, vehicle.fields.get("Soc").at <= now + 2000], [3, true]);
    assert.deepEqual([vehicle.trace.at[vehicle.trace.size - 1], vehicle.trace.speed[vehicle.trace.size - 1]], [now + 2000, 3]);
  });

  test("its speed is drawn at the moment of receipt", () => {
    const fleet = new Fleet();
    fleet.take(data(1, NOW_S + YEAR_S, { VehicleSpeed: 7 }), now);
    fleet.take(data(2, NOW_S + 2, { VehicleSpeed: 8 }), now + 2000);
    fleet.recall(data(0, NOW_S + YEAR_S, { VehicleSpeed: 5 }), now - 5000);
    const { trace } = fleet.vehicle("A");
    assert.deepEqual([...trace.speed.subarray(0, trace.size)], [5, 7, 8]);
  });
});

describe("the past of a vehicle whose clock was ahead", () => {
  test("live: its points stand where they were received, and charts and track go on", () => {
    const history = new VehicleHistory();
    history.take(data(1, NOW_S + YEAR_S, { Soc: 1, Location: { latitude: 1, longitude: 2 } }), now);
    history.take(data(2, NOW_S + 1, { Soc: 2, Location: { latitude: 1, longitude: 3 } }), now + 1000);
    assert.deepEqual(points(history.series.get("Soc")), [[NOW_S, 1], [NOW_S + 1, 2]]);
    assert.deepEqual([...history.track.rows[1].subarray(0, history.track.size)], [2, 3]);
  });

  test("read from the log: what stands later there shows that points were ahead, in every series", () => {
    const history = new VehicleHistory();
    history.take(data(1, 1, { Soc: 1, Gear: "ShiftStateP", PackVoltage: 400, PackCurrent: 1 }));
    history.take(data(2, YEAR_S, { Soc: 2, Gear: "ShiftStateD", PackCurrent: 2 }));
    history.take(data(3, 5, { Soc: 3 }));
    history.take(data(4, 6, { Soc: 4, Gear: "ShiftStateP" }));
    assert.deepEqual(points(history.series.get("Soc")), [[1, 1], [5, 2], [5, 3], [6, 4]]);
    assert.deepEqual(points(history.series.get("Gear")), [[1, 0], [5, 1], [6, 0]]);
    assert.deepEqual(points(history.series.get(POWER)).map(([time]) => time), [1, 5]);
  });

  test("a re-send, and a message overtaken by a moment, are inserted and move nothing", () => {
    const history = new VehicleHistory();
    history.take(data(1, 10, { Soc: 10 }));
    history.take(data(2, 90, { Soc: 90 }));
    history.take({ ...data(3, 50, { Soc: 50 }), isResend: true });
    history.take(data(4, 88, { Soc: 88 }));
    assert.deepEqual(points(history.series.get("Soc")), [[10, 10], [50, 50], [88, 88], [90, 90]]);
  });
});

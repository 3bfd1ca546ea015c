/**
 * What is known of every vehicle, from the events alone: the page's copy of the server's state.
 *
 *   fields    name → { value, at, bounded }; `at`: when, by the vehicle's own clock (ms since 1970), as far as receipt.js trusts it
 *   seq       the snapshot's: it holds for its seq, so events of this vehicle up to that one are no news
 *   heard     when it was last heard, by the server's clock;  rev: rises with every change, so that a view can tell
 *
 * Law, the same as the server's: a field is replaced by a later value of its own, never by an earlier one (model/receipt.js), and
 * only by one that it can have (model/values.js). Null says that the vehicle cannot tell: what it told of something that lasts
 * (a name, the charge, where it stands) stays, with its age; what changes by the second is not known any more.
 */

import { eventTime, outranks, receiptTime, showsAhead } from "./receipt.js";
import { FieldMap, cleanFields, cleanItems, cleanValue } from "./values.js";

const SKEW_FROM_MS = 2000; // differences below this are taken for the network's delay
const TRACE = 128; // samples of speed kept for the small trace in a row
const TRACE_EVERY_MS = 1000;
const QUIET_MS = 60_000; // after such a silence what is shown may not hold any more …
const GONE_MS = 180_000; // … and after this one the vehicle counts as offline, if nobody said that it is online
const ALERTS_MOST = 200; // open ones of a vehicle; cars have up to some dozens
const RARE = ["VehicleName", "CarType", "Trim", "Version", "ChargeLimitSoc"]; // reported once in a long while
const LASTING = /^(?:VehicleName|CarType|Trim|Version|ChargeLimitSoc|Soc|BatteryLevel|(?:Est|Ideal)BatteryRange|RatedRange|EnergyRemaining|Odometer|Location|TpmsPressure..)$/;

export class Vehicle {
  constructor(vin) {
    this.vin = vin;
    this.fields = new FieldMap();
    this.newest = -Infinity; // the latest time of a message
    this.seq = -1;
    this.heard = 0;
    this.online = null; // not known
    this.alerts = new Map(); // open ones, by name
    this.alertSeq = -1;
    this.lag = Infinity; // the least delay seen: the way, and how far its clock is behind
    this.ahead = 0; // ms by which the time of its last message was ahead of receipt
    this.trace = { at: new Float64Array(TRACE), speed: new Float32Array(TRACE), size: 0 };
    this.rev = 0;
  }

  value(field) {
    return this.fields.get(field)?.value;
  }

  get name() {
    return this.value("VehicleName") || this.vin;
  }

  /** ms by which this car's clock seems to be behind the server's (negative: ahead). */
  get skew() {
    if (this.ahead > SKEW_FROM_MS) return -this.ahead;
    return Number.isFinite(this.lag) && this.lag > SKEW_FROM_MS ? this.lag : 0;
  }

  /** ms to add to its times: nothing to those of a clock that is ahead, which count as receipt already. */
  get behind() {
    return Math.max(0, this.skew);
  }

  /** Out of the battery (kW); negative while it is charged. Undefined if the car does not tell. */
  get power() {
    const volts = this.value("PackVoltage");
    const amperes = this.value("PackCurrent");
    return typeof volts === "number" && typeof amperes === "number" ? (-volts * amperes) / 1000 : undefined;
  }

  /** mph; a parked vehicle may have reported none. */
  get speed() {
    return this.value("VehicleSpeed") ?? (this.gear === "P" ? 0 : undefined);
  }

  get charge() {
    return this.value("Soc") ?? this.value("BatteryLevel");
  }

  get chargingPower() {
    return this.value("DCChargingPower") || this.value("ACChargingPower") || 0;
  }

  get gear() {
    return this.value("Gear")?.replace("ShiftState", "") ?? "";
  }

  /** "driving" | "charging" | "parked" | "offline" at the time `now`. */
  condition(now) {
    if (this.online === false || (this.online === null && now - this.heard > GONE_MS)) return "offline";
    if (/(?:ing)$/.test(this.value("DetailedChargeState") ?? this.value("ChargeState") ?? "")) return "charging";
    return this.value("VehicleSpeed") > 0 || /^[DRN]$/.test(this.gear) ? "driving" : "parked";
  }

  /** Whether what is shown of it may not hold any more. */
  stale(now) {
    return this.online === false || now - this.heard > QUIET_MS;
  }

  /** A data message: `at` is the vehicle's time, `now` that of receipt. */
  merge(data, at, now, isResend = false) {
    const bounded = !(at <= now);
    const time = receiptTime(at, now);
    if (showsAhead(time, isResend, this.newest, false)) this.#bound(time); // cells know by themselves whether they are bounded
    this.newest = Math.max(this.newest, time);
    for (const [name, value] of cleanFields(data)) {
      const cell = this.fields.get(name);
      if (cell === undefined) this.fields.add(name, { value, at: time, bounded });
      else if (outranks(time, isResend, cell) && !(value === null && LASTING.test(name))) Object.assign(cell, { value, at: time, bounded });
    }
  }

  /** A snapshot is as the server knows it now: what it tells that is known already keeps its own time. */
  restore(data, at, now, seq) {
    const time = receiptTime(at, now);
    for (const [name, value] of cleanFields(data)) {
      const cell = this.fields.get(name);
      if (cell === undefined) this.fields.add(name, { value, at: time, bounded: true });
      else if (value === null && LASTING.test(name)) continue;
      else if (JSON.stringify(cell.value) !== JSON.stringify(value)) Object.assign(cell, { value, at: time, bounded: true });
    }
    this.seq = seq;
  }

  /** What was reported before was ahead, by the vehicle's clock or by the server's, which has been set right: it counts from `time` on at the latest. */
  #bound(time) {
    for (const cell of this.fields.values()) if (cell.at > time) Object.assign(cell, { at: time, bounded: true });
    const { trace } = this;
    for (let place = trace.size; place-- && trace.at[place] > time; ) trace.at[place] = time;
    this.newest = time;
  }

  /** What the server knows of when each value was reported, which no snapshot tells: name → RFC 3339. */
  learnTimes(times) {
    for (const [name, cell] of this.fields) {
      const at = Date.parse(times[name]);
      if (cell.bounded && at < cell.at) cell.at = at;
    }
  }

  /** Adds a sample of speed to the trace; one from before (read back from the log) goes where it belongs. */
  addSpeed(at, speed) {
    const { trace } = this;
    let place = trace.size;
    while (place && trace.at[place - 1] > at) place -= 1;
    if (place && at - trace.at[place - 1] < TRACE_EVERY_MS) return;
    if (trace.size === TRACE) {
      if (place === 0) return;
      trace.at.copyWithin(0, 1, place);
      trace.speed.copyWithin(0, 1, place);
      place -= 1;
    } else {
      trace.at.copyWithin(place + 1, place, trace.size);
      trace.speed.copyWithin(place + 1, place, trace.size);
      trace.size += 1;
    }
    trace.at[place] = at;
    trace.speed[place] = speed;
  }
}

export class Fleet {
  constructor() {
    this.vehicles = new Map();
    this.rev = 0; // rises when a vehicle is added
  }

  vehicle(vin) {
    let vehicle = this.vehicles.get(vin);
    if (vehicle === undefined) {
      vehicle = new Vehicle(vin);
      this.vehicles.set(vin, vehicle);
      this.rev += 1;
    }
    return vehicle;
  }

  /** For a replay: of what hardly ever changes, what was known in another fleet, until the replay tells it itself. */
  inherit(fleet) {
    for (const [vin, known] of fleet.vehicles)
      for (const name of RARE) if (known.fields.has(name)) this.vehicle(vin).fields.set(name, { value: known.value(name), at: -Infinity, bounded: true });
  }

  /** A new life of the log: its numbers begin anew. */
  forgetSeqs() {
    for (const vehicle of this.vehicles.values()) vehicle.seq = vehicle.alertSeq = -1;
  }

  /** An event of the stream; `now`: the server's time. */
  take(event, now) {
    const vehicle = this.vehicle(event.vin);
    vehicle.rev += 1;
    const at = eventTime(event);
    if (event.type === "snapshot") {
      vehicle.restore(event.data, at, now, event.seq);
      vehicle.heard = Math.max(vehicle.heard, receiptTime(at, now));
      return;
    }
    if (event.type === "data") this.#data(vehicle, event, at, now);
    else if (event.type === "connectivity") vehicle.online = event.status === "CONNECTED";
    else if (event.type === "alerts") this.#alerts(vehicle, event);
  }

  /** An event from before what is known, read back by `now`: it adds what no snapshot tells. */
  recall(event, now) {
    const vehicle = this.vehicle(event.vin);
    if (event.type === "alerts") this.#alerts(vehicle, event);
    else if (event.type === "data") this.#speed(vehicle, event, receiptTime(eventTime(event), now));
    vehicle.rev += 1;
  }

  #alerts(vehicle, event) {
    if (event.seq < vehicle.alertSeq) return;
    vehicle.alertSeq = event.seq;
    for (const { name, ended } of cleanItems(event.alerts)) {
      if (ended) vehicle.alerts.delete(name);
      else if (vehicle.alerts.size < ALERTS_MOST) vehicle.alerts.set(name, true);
    }
  }

  /** A speed, also none, is a sample of the row's trace. */
  #speed(vehicle, { data }, at) {
    const speed = "VehicleSpeed" in data ? cleanValue("VehicleSpeed", data.VehicleSpeed) : undefined;
    if (speed !== undefined) vehicle.addSpeed(at, speed ?? 0);
  }

  #data(vehicle, event, at, now) {
    const { data, isResend } = event;
    this.#speed(vehicle, event, receiptTime(at, now));
    if (event.seq <= vehicle.seq) return;
    vehicle.heard = now;
    vehicle.online ??= true;
    if (!isResend && !Number.isNaN(at)) {
      vehicle.ahead = Math.max(0, at - now);
      vehicle.lag = Math.min(vehicle.lag + 20, Math.max(0, now - at)); // forgets slowly: clocks get set
    }
    vehicle.merge(data, at, now, isResend);
  }

  /** What `/vehicles` says of who is connected: the stream tells only what changes. */
  applyRegistry(entries) {
    for (const entry of entries) {
      const vehicle = this.vehicle(entry.vin);
      vehicle.online = entry.connected;
      vehicle.heard = Math.max(vehicle.heard, Date.parse(entry.lastHeard) || 0);
      vehicle.rev += 1;
    }
  }
}

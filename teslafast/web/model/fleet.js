/**
 * What is known of every vehicle, from the events alone: the page's copy of the server's state.
 *
 *   fields    name → { value, at }; `at`: when, by the vehicle's own clock (ms since 1970)
 *   seq       the snapshot's: it holds for its seq, so events of this vehicle up to that one are no news
 *   heard     when it was last heard, by the server's clock;  rev: rises with every change, so that a view can tell
 *
 * Law, the same as the server's: a field is replaced by a later value of its own, never by an earlier one; a time far in the
 * future (a car that woke with a wrong clock) holds only until a sane one comes.
 */

import { eventTime } from "./event.js";

const AHEAD_AT_MOST_MS = 300_000; // a vehicle's clock this far ahead is wrong
const SKEW_FROM_MS = 2000; // differences below this are taken for the network's delay
const TRACE = 128; // samples of speed kept for the small trace in a row
const TRACE_EVERY_MS = 1000;
const QUIET_MS = 60_000; // after such a silence what is shown may not hold any more …
const GONE_MS = 180_000; // … and after this one the vehicle counts as offline, if nobody said that it is online
const LASTING = ["VehicleName", "CarType", "Trim", "Version", "ChargeLimitSoc"]; // reported once in a long while

export class Vehicle {
  constructor(vin) {
    this.vin = vin;
    this.fields = new Map();
    this.seq = -1;
    this.newest = 0;
    this.heard = 0;
    this.online = null; // not known
    this.alerts = new Map(); // open ones, by name
    this.alertSeq = -1;
    this.lag = Infinity; // the least delay seen: the way and the difference of the clocks
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
    return Number.isFinite(this.lag) && Math.abs(this.lag) > SKEW_FROM_MS ? this.lag : 0;
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
    return this.value("Gear")?.replace?.("ShiftState", "") ?? "";
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

  merge(data, at, now) {
    const sane = now + AHEAD_AT_MOST_MS;
    for (const name in data) {
      const cell = this.fields.get(name);
      if (cell === undefined) this.fields.set(name, { value: data[name], at });
      else if (at >= cell.at || (at <= sane && sane < cell.at)) {
        cell.value = data[name];
        cell.at = at;
      }
    }
    if (at > this.newest || this.newest > sane) this.newest = at;
  }

  /** A snapshot is as the server knows it now: what it tells that is known already keeps its own time. */
  restore(data, at, seq) {
    for (const name in data) {
      const cell = this.fields.get(name);
      if (cell === undefined || JSON.stringify(cell.value) !== JSON.stringify(data[name])) this.fields.set(name, { value: data[name], at });
    }
    this.seq = seq;
    this.newest = at;
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
      for (const name of LASTING) if (known.fields.has(name)) this.vehicle(vin).fields.set(name, { value: known.value(name), at: -Infinity });
  }

  /** A new life of the log: its numbers begin anew. */
  forgetSeqs() {
    for (const vehicle of this.vehicles.values()) vehicle.seq = vehicle.alertSeq = -1;
  }

  /** An event of the stream; `now`: the server's time. */
  take(event, now) {
    const vehicle = this.vehicle(event.vin);
    vehicle.rev += 1;
    if (event.type === "snapshot") {
      const at = eventTime(event);
      vehicle.restore(event.data, at, event.seq);
      vehicle.heard = Math.max(vehicle.heard, Math.min(at, now));
      return;
    }
    const at = event.createdAt ? eventTime(event) : now;
    if (event.type === "data") this.#data(vehicle, event, at, now);
    else if (event.type === "connectivity") vehicle.online = event.status === "CONNECTED";
    else if (event.type === "alerts") this.#alerts(vehicle, event);
  }

  /** An event from before what is known, read back: it adds what no snapshot tells. */
  recall(event) {
    const vehicle = this.vehicle(event.vin);
    if (event.type === "alerts") this.#alerts(vehicle, event);
    else if (typeof event.data?.VehicleSpeed === "number") vehicle.addSpeed(eventTime(event), event.data.VehicleSpeed);
    vehicle.rev += 1;
  }

  #alerts(vehicle, event) {
    if (event.seq < vehicle.alertSeq) return;
    vehicle.alertSeq = event.seq;
    for (const alert of event.alerts) {
      if (alert.endedAt) vehicle.alerts.delete(alert.name);
      else vehicle.alerts.set(alert.name, alert);
    }
  }

  #data(vehicle, event, at, now) {
    const { data } = event;
    if (typeof data.VehicleSpeed === "number" || data.VehicleSpeed === null) vehicle.addSpeed(at, data.VehicleSpeed ?? 0);
    if (event.seq <= vehicle.seq) return;
    vehicle.heard = now;
    vehicle.online ??= true;
    if (!event.isResend) vehicle.lag = Math.min(vehicle.lag + 20, now - at); // forgets slowly: clocks get set
    vehicle.merge(data, at, now);
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

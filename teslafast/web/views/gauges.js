/**
 * What a driver would look at: speed, power and charge as dials, the rest as plain figures.
 *
 * Law: a dial is an arc of 240°, drawn once; a new value only turns its stroke. Power has its zero inside, so that what flows back
 * into the battery goes the other way, in another colour.
 */

import { el, figures, icon, setAttr, setText, svg } from "./dom.js";
import { convert, enumLabel, fixed, formatAgo, formatQuantity, formatSpan, formatValue, units } from "./format.js";

const SWEEP = 240;
const RADIUS = 52;
const LENGTH = (Math.PI * 2 * RADIUS * SWEEP) / 360;

const point = (degrees, radius = RADIUS) => {
  const turn = ((degrees - 90 - SWEEP / 2) * Math.PI) / 180;
  return `${(60 + radius * Math.cos(turn)).toFixed(2)} ${(60 + radius * Math.sin(turn)).toFixed(2)}`;
};
const ARC = `M${point(0)}A${RADIUS} ${RADIUS} 0 1 1 ${point(SWEEP)}`;

class Dial {
  /** `low`, `high`: the ends of its scale; the arc grows from zero. */
  constructor(name, title, low, high) {
    Object.assign(this, { low, high });
    this.arc = svg("path", { d: ARC, class: "arc" });
    this.number = el("b");
    this.unit = el("span");
    this.note = el("span", { class: "note" });
    const zero = (-low / (high - low)) * SWEEP;
    const [x, y] = point(zero, 37).split(" ");
    const zeroMark = low < 0 ? [svg("path", { d: `M${point(zero, 46)}L${point(zero, 42.5)}`, class: "zero" }), svg("text", { x, y, class: "zero" }, "0")] : [];
    this.node = el("figure", { class: `card dial ${name}` },
      el("figcaption", {}, title), svg("svg", { viewBox: "0 0 120 100", "aria-hidden": "true" }, svg("path", { d: ARC, class: "rail" }), this.arc, ...zeroMark),
      el("p", {}, this.number, this.unit), this.note);
  }

  show(value, unit, decimals, note = "") {
    const { low, high } = this;
    const known = typeof value === "number" && Number.isFinite(value);
    const share = (number) => Math.min(1, Math.max(0, (number - low) / (high - low)));
    const [from, to] = [share(Math.min(0, value)), share(Math.max(0, value))];
    const length = known ? Math.max((to - from) * LENGTH, 0.001) : 0;
    setAttr(this.arc, "stroke-dasharray", `${length.toFixed(1)} ${LENGTH * 2}`);
    setAttr(this.arc, "stroke-dashoffset", known ? (-from * LENGTH).toFixed(1) : "0");
    setAttr(this.node, "data-back", known && value < 0);
    setText(this.number, known ? fixed(value, decimals) : "–");
    setText(this.unit, unit);
    setText(this.note, note);
  }
}

const DOORS = { DriverFront: [34, 52], PassengerFront: [86, 52], DriverRear: [34, 88], PassengerRear: [86, 88], TrunkFront: [60, 16], TrunkRear: [60, 128] };
const WHEELS = { Fl: ["left", "front"], Fr: ["right", "front"], Rl: ["left", "rear"], Rr: ["right", "rear"] };

export class Gauges {
  constructor(node) {
    this.speed = { km: new Dial("speed", "Speed", 0, 200), mi: new Dial("speed", "Speed", 0, 120) };
    this.power = new Dial("power", "Power", -100, 250);
    this.charge = new Dial("charge", "Charge", 0, 100);
    this.place = el("div", { class: "slot" });
    this.gear = el("p", { class: "gears", role: "img" }, ...[..."PRND"].map((letter) => el("span", {}, letter)));
    const list = el("dl");
    this.figure = figures(list);
    this.car = this.#car();
    node.append(this.place, this.power.node, this.charge.node,
      el("section", { class: "card car", "aria-label": "Vehicle" }, this.gear, this.car.node), el("section", { class: "card figures", "aria-label": "Details" }, list));
  }

  #car() {
    const doors = Object.fromEntries(Object.entries(DOORS).map(([name, [x, y]]) => [name, svg("circle", { cx: x, cy: y, r: 5, class: "door" })]));
    const body = svg("svg", { viewBox: "0 0 120 144", "aria-hidden": "true" },
      svg("path", { class: "body", d: "M44 12q16-8 32 0 9 5 10 20v76q0 18-8 22-18 8-36 0-8-4-8-22V32q1-15 10-20z" }),
      svg("path", { class: "glass", d: "M41 50q19-10 38 0l-4 14q-15-5-30 0zM45 106q15 5 30 0l3 11q-18 8-36 0z" }), ...Object.values(doors));
    const tyres = Object.fromEntries(Object.entries(WHEELS).map(([name, at]) => [name, el("span", { class: `tyre ${at.join(" ")}` })]));
    const note = el("p", { class: "note" });
    return { node: el("div", { class: "plan" }, body, ...Object.values(tyres), note), doors, tyres, note };
  }

  render(vehicle, now) {
    const get = (field) => vehicle.value(field);
    const dial = this.speed[units.metric ? "km" : "mi"];
    if (this.place.firstChild !== dial.node) this.place.replaceChildren(dial.node);
    const { value, unit } = convert("speed", vehicle.speed);
    dial.show(value, unit, 0, this.#heading(get("GpsHeading")));
    const { power } = vehicle;
    this.power.show(power, "kW", 0, power === undefined ? "" : power < -0.5 ? (vehicle.chargingPower ? "charging" : "regenerating") : power > 0.5 ? "discharging" : "idle");
    this.charge.show(vehicle.charge, "%", 0, this.#range(get("EstBatteryRange") ?? get("RatedRange")));
    setAttr(this.charge.node, "data-low", vehicle.charge < 20);
    [...this.gear.children].forEach((letter) => setAttr(letter, "data-on", letter.textContent === vehicle.gear));
    setAttr(this.gear, "aria-label", `Gear ${vehicle.gear || "unknown"}`);
    this.#plan(get);
    this.figure("Charging", charging(get("DetailedChargeState") ?? get("ChargeState"), vehicle.chargingPower));
    this.figure("Charge limit", formatQuantity("percent", get("ChargeLimitSoc")));
    this.figure("Time to limit", vehicle.chargingPower && get("TimeToFullCharge") > 0 ? formatSpan(get("TimeToFullCharge") * 3_600_000) : "");
    this.figure("Inside", formatQuantity("temperature", get("InsideTemp")));
    this.figure("Outside", formatQuantity("temperature", get("OutsideTemp")));
    this.figure("Odometer", formatQuantity("distance", get("Odometer")));
    this.figure("Energy", formatQuantity("energy", get("EnergyRemaining")));
    this.figure("Sentry", get("SentryMode") ? formatValue("SentryMode", get("SentryMode")) : "–");
    const charged = vehicle.fields.get("Soc");
    setAttr(this.charge.node, "title", charged ? `reported ${formatAgo(now - charged.at - vehicle.behind)}` : "");
  }

  #heading(degrees) {
    return typeof degrees === "number" ? `heading ${["N", "NE", "E", "SE", "S", "SW", "W", "NW"][Math.round(degrees / 45) % 8]}` : "";
  }

  #range(miles) {
    return typeof miles === "number" ? `${formatQuantity("distance", miles)} left` : "";
  }

  #plan(get) {
    const state = get("DoorState") ?? {};
    for (const [name, node] of Object.entries(this.car.doors)) setAttr(node, "data-open", state[name] === true);
    for (const [name, node] of Object.entries(this.car.tyres)) setText(node, formatQuantity("pressure", get(`TpmsPressure${name}`)));
    const open = Object.keys(DOORS).filter((name) => state[name]);
    const locked = get("Locked");
    setText(this.car.note, open.length ? `${open.length} open` : locked === undefined || locked === null ? "" : locked ? "locked" : "unlocked");
  }
}

/** The charge state in words, and the power; of a car that simply charges the power says it all. */
function charging(state, kw) {
  const word = enumLabel(state ?? "–");
  if (!kw) return word;
  return word === "Charging" ? formatQuantity("power", kw) : `${word} ${formatQuantity("power", kw)}`;
}

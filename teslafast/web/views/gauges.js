/**
 * What a driver would look at: speed, power and charge as dials, the rest as plain figures.
 *
 * A dial is an arc of 240°, drawn once; a new value only turns its stroke. Power has its nought inside, so that what flows back
 * into the battery goes the other way, in another colour.
 */

import { el, figures, icon, mark, say, svg } from "./dom.js";
import { age, fixed, measure, quantity, shown, units, word } from "./format.js";

const SWEEP = 240;
const RADIUS = 52;
const LENGTH = (Math.PI * 2 * RADIUS * SWEEP) / 360;

const point = (degrees, radius = RADIUS) => {
  const turn = ((degrees - 90 - SWEEP / 2) * Math.PI) / 180;
  return `${(60 + radius * Math.cos(turn)).toFixed(2)} ${(60 + radius * Math.sin(turn)).toFixed(2)}`;
};
const ARC = `M${point(0)}A${RADIUS} ${RADIUS} 0 1 1 ${point(SWEEP)}`;

class Dial {
  /** `low`, `high`: the ends of its scale; the arc grows from nought. */
  constructor(name, title, low, high) {
    Object.assign(this, { low, high });
    this.arc = svg("path", { d: ARC, class: "arc" });
    this.number = el("b");
    this.unit = el("span");
    this.note = el("span", { class: "note" });
    const nought = (-low / (high - low)) * SWEEP;
    const mark_ = low < 0 ? [svg("path", { d: `M${point(nought, 45)}L${point(nought, 59)}`, class: "nought" })] : [];
    this.node = el("figure", { class: `card dial ${name}` },
      el("figcaption", {}, title), svg("svg", { viewBox: "0 0 120 100", "aria-hidden": "true" }, svg("path", { d: ARC, class: "rail" }), this.arc, ...mark_),
      el("p", {}, this.number, this.unit), this.note);
  }

  show(value, unit, decimals, note = "") {
    const { low, high } = this;
    const known = typeof value === "number" && Number.isFinite(value);
    const share = (number) => Math.min(1, Math.max(0, (number - low) / (high - low)));
    const [from, to] = [share(Math.min(0, value)), share(Math.max(0, value))];
    const length = known ? Math.max((to - from) * LENGTH, 0.001) : 0;
    mark(this.arc, "stroke-dasharray", `${length.toFixed(1)} ${LENGTH * 2}`);
    mark(this.arc, "stroke-dashoffset", known ? (-from * LENGTH).toFixed(1) : "0");
    mark(this.node, "data-back", known && value < 0);
    say(this.number, known ? fixed(value, decimals) : "–");
    say(this.unit, unit);
    say(this.note, note);
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
      el("section", { class: "card car", "aria-label": "Car" }, this.gear, this.car.node), el("section", { class: "card figures", "aria-label": "Figures" }, list));
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
    const { value, unit } = measure("speed", vehicle.speed);
    dial.show(value, unit, 0, this.#heading(get("GpsHeading")));
    const { power } = vehicle;
    this.power.show(power, "kW", 0, power === undefined ? "" : power < -0.5 ? (vehicle.chargingPower ? "charging" : "recovering") : power > 0.5 ? "drawing" : "idle");
    this.charge.show(vehicle.charge, "%", 0, this.#range(get("EstBatteryRange") ?? get("RatedRange")));
    mark(this.charge.node, "data-low", vehicle.charge < 20);
    [...this.gear.children].forEach((letter) => mark(letter, "data-on", letter.textContent === vehicle.gear));
    mark(this.gear, "aria-label", `Gear ${vehicle.gear || "unknown"}`);
    this.#plan(get);
    this.figure("Charger", word(get("DetailedChargeState") ?? get("ChargeState") ?? "–") + (vehicle.chargingPower ? ` ${quantity("power", vehicle.chargingPower)}` : ""));
    this.figure("Limit", quantity("percent", get("ChargeLimitSoc")));
    this.figure("To limit", get("TimeToFullCharge") ? quantity("hours", get("TimeToFullCharge")) : "–");
    this.figure("Inside", quantity("temperature", get("InsideTemp")));
    this.figure("Outside", quantity("temperature", get("OutsideTemp")));
    this.figure("Odometer", quantity("distance", get("Odometer")));
    this.figure("Energy", quantity("energy", get("EnergyRemaining")));
    this.figure("Sentry", get("SentryMode") ? shown("SentryMode", get("SentryMode")) : "–");
    const charged = vehicle.fields.get("Soc");
    mark(this.charge.node, "title", charged ? `told ${age(now - charged.at - vehicle.skew)} ago` : "");
  }

  #heading(degrees) {
    return typeof degrees === "number" ? `heading ${["N", "NE", "E", "SE", "S", "SW", "W", "NW"][Math.round(degrees / 45) % 8]}` : "";
  }

  #range(miles) {
    return typeof miles === "number" ? `${quantity("distance", miles)} left` : "";
  }

  #plan(get) {
    const state = get("DoorState") ?? {};
    for (const [name, node] of Object.entries(this.car.doors)) mark(node, "data-open", state[name] === true);
    for (const [name, node] of Object.entries(this.car.tyres)) say(node, quantity("pressure", get(`TpmsPressure${name}`)));
    const open = Object.keys(DOORS).filter((name) => state[name]);
    const locked = get("Locked");
    say(this.car.note, open.length ? `${open.length} open` : locked === undefined || locked === null ? "" : locked ? "locked" : "unlocked");
  }
}

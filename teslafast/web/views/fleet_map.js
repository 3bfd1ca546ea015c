/**
 * Where all vehicles are, on one map: each an arrow in the colour of its state, those too near to each other a ring with their number.
 *
 * Law: what is drawn is what the table lists, so filters and the search hold here, too. A click opens a vehicle, or comes nearer to
 * a ring's. Drawn at most every EVERY_MS, and for SHARE of the time at most, but at once when somebody moves it.
 */

import { $, colour, setAttr } from "./dom.js";
import { MapSheet, project } from "./map_sheet.js";
import { drawCar } from "./vehicle_map.js";

const EVERY_MS = 400; // cars move by pixels in that time
const SHARE = 0.03; // of a fleet of thousands the drawing takes some 20 ms: then it is drawn every second or so
const CLOSEST = 14; // one car alone is shown with its town
const CLOSER = 17; // … but for a ring that is opened: cars in one yard
const APART_PX = 26; // nearer than this, two are drawn as one
const REACH_PX = 16; // how far from one a click still means it
const LABELS = 60; // names at most: more cannot be read
const ROW = 100_003; // cells of a column, for their numbers: more than any canvas has
const STATES = ["driving", "charging", "parked", "offline"];
const COLOURS = { driving: "accent", charging: "blue", parked: "soft", offline: "faint" };

export class FleetMap {
  /** `on`: { redraw(), open(vin), point(vin or null): a pointer is on this vehicle } */
  constructor(on) {
    this.on = on;
    this.canvas = $("fleet-map");
    this.sheet = new MapSheet(this.canvas, $("fleet-map-credit"), { redraw: () => this.refresh(), click: (x, y) => this.#click(x, y) });
    this.spots = [];
    this.pointed = null; // a VIN
    this.drawnAt = -Infinity;
    this.took = 0; // ms, the last time
    this.canvas.addEventListener("pointermove", ({ offsetX, offsetY }) => this.#point(this.#spotAt(offsetX, offsetY)));
    this.canvas.addEventListener("pointerleave", () => this.#point(null));
  }

  /** The next frame draws it anew. */
  refresh() {
    this.drawnAt = -Infinity;
    this.on.redraw();
  }

  /** Marks a vehicle (null: none), because a pointer is on its row. */
  mark(vin) {
    if (this.pointed === vin) return;
    this.pointed = vin;
    this.refresh();
  }

  #point(spot) {
    const vin = spot && spot.vehicles.length === 1 ? spot.vehicles[0].vin : null;
    this.canvas.style.cursor = spot ? "pointer" : "";
    if (this.pointed === vin) return;
    this.mark(vin);
    this.on.point(vin);
  }

  #spotAt(x, y) {
    const far = (spot) => Math.hypot(spot.x - x, spot.y - y) - (spot.radius ?? 0);
    return this.spots.reduce((best, spot) => (far(spot) < Math.min(REACH_PX, best ? far(best) : Infinity) ? spot : best), null);
  }

  #click(x, y) {
    const spot = this.#spotAt(x, y);
    if (spot?.vehicles.length === 1) this.on.open(spot.vehicles[0].vin);
    else if (spot) {
      this.sheet.closest = CLOSER;
      this.sheet.turnTo(bounds(spot.vehicles.map(placeOf)));
    }
  }

  // ---- drawing

  /** `vehicles`: those that the table lists. */
  render(vehicles, now) {
    const began = performance.now();
    if (began - this.drawnAt < Math.max(EVERY_MS, this.took / SHARE)) return;
    this.drawnAt = began;
    this.#draw(vehicles, now);
    this.took = performance.now() - began;
  }

  #draw(vehicles, now) {
    const located = vehicles.filter((vehicle) => vehicle.value("Location")).map((vehicle) => ({ vehicle, place: placeOf(vehicle) }));
    setAttr(this.canvas, "aria-label", `Map of ${located.length} vehicle${located.length === 1 ? "" : "s"}. The table lists them.`);
    const ctx = this.sheet.begin(located.length ? bounds(located.map(({ place }) => place)) : [[30, 40], [226, 190]], CLOSEST);
    this.spots = this.#gather(located);
    const boxes = [];
    for (const spot of this.spots) {
      if (spot.vehicles.length > 1) this.#drawRing(ctx, spot, now);
      else this.#drawOne(ctx, spot, now);
      const room = spot.radius ?? 12;
      boxes.push([spot.x - room, spot.y - room, spot.x + room, spot.y + room]);
    }
    this.#drawNames(ctx, boxes);
    this.sheet.drawScale();
  }

  /** Vehicles, and groups of those that would lie on each other: { x, y, vehicles }. */
  #gather(located) {
    const cells = new Map();
    const spots = [];
    const { width, height } = this.sheet;
    for (const { vehicle, place: onSheet } of located) {
      const place = this.sheet.at(onSheet);
      const [column, row] = [Math.floor(place[0] / APART_PX), Math.floor(place[1] / APART_PX)];
      let near = null;
      for (let dx = -1; dx <= 1 && !near; dx++)
        for (let dy = -1; dy <= 1 && !near; dy++) {
          const other = cells.get((column + dx) * ROW + row + dy);
          if (other && Math.hypot(other.x - place[0], other.y - place[1]) < APART_PX) near = other;
        }
      if (near) near.vehicles.push(vehicle);
      else {
        const spot = { x: place[0], y: place[1], vehicles: [vehicle] };
        cells.set(column * ROW + row, spot);
        spots.push(spot);
      }
    }
    return spots.filter(({ x, y }) => x > -APART_PX && y > -APART_PX && x < width + APART_PX && y < height + APART_PX);
  }

  #drawOne(ctx, { x, y, vehicles: [vehicle] }, now) {
    const marked = vehicle.vin === this.pointed;
    drawCar(ctx, [x, y], vehicle.value("GpsHeading"), colour(COLOURS[vehicle.condition(now)]), marked ? 1 : 0.72);
    if (vehicle.alerts.size) dot(ctx, x + 8, y - 8, 4, "amber");
  }

  /** A ring whose parts are the states of those in it, with their number. */
  #drawRing(ctx, spot, now) {
    const { x, y, vehicles } = spot;
    spot.radius = 13 + Math.min(11, Math.log2(vehicles.length) * 1.6);
    const marked = vehicles.some(({ vin }) => vin === this.pointed);
    ctx.beginPath();
    ctx.arc(x, y, spot.radius + (marked ? 4 : 1), 0, 7);
    ctx.fillStyle = colour("panel");
    ctx.fill();
    const states = vehicles.map((vehicle) => vehicle.condition(now));
    let from = -Math.PI / 2;
    ctx.lineWidth = 4;
    ctx.lineCap = "butt";
    for (const state of STATES) {
      const to = from + (states.filter((one) => one === state).length / states.length) * Math.PI * 2;
      ctx.beginPath();
      ctx.arc(x, y, spot.radius - 1, from, to);
      ctx.strokeStyle = colour(COLOURS[state]);
      if (to > from) ctx.stroke();
      from = to;
    }
    ctx.fillStyle = colour("text");
    ctx.textAlign = "center";
    ctx.textBaseline = "middle";
    ctx.font = "600 12px Inter, system-ui, sans-serif";
    ctx.fillText(String(vehicles.length), x, y + 0.5);
    if (vehicles.some(({ alerts }) => alerts.size)) dot(ctx, x + spot.radius * 0.75, y - spot.radius * 0.75, 4, "amber");
  }

  /** Names of single vehicles where nothing else is; the marked one's in any case. */
  #drawNames(ctx, boxes) {
    ctx.font = "500 12px Inter, system-ui, sans-serif";
    ctx.textBaseline = "middle";
    ctx.textAlign = "left";
    ctx.lineJoin = "round";
    ctx.lineWidth = 3;
    ctx.strokeStyle = colour("land");
    const singles = this.spots.filter(({ vehicles }) => vehicles.length === 1);
    const first = (spot) => spot.vehicles[0].vin === this.pointed;
    for (const spot of [...singles.filter(first), ...singles.filter((one) => !first(one)).slice(0, LABELS)]) {
      const { name } = spot.vehicles[0];
      const box = [spot.x + 13, spot.y - 8, spot.x + 15 + ctx.measureText(name).width, spot.y + 8];
      if (!first(spot) && boxes.some(([left, top, right, bottom]) => box[0] < right && box[2] > left && box[1] < bottom && box[3] > top)) continue;
      boxes.push(box);
      ctx.strokeText(name, spot.x + 14, spot.y);
      ctx.fillStyle = colour("text");
      ctx.fillText(name, spot.x + 14, spot.y);
    }
  }
}

function placeOf(vehicle) {
  const { latitude, longitude } = vehicle.value("Location");
  return project(latitude, longitude);
}

function bounds(places) {
  const box = [[Infinity, Infinity], [-Infinity, -Infinity]];
  for (const [x, y] of places) {
    box[0] = [Math.min(box[0][0], x), Math.min(box[0][1], y)];
    box[1] = [Math.max(box[1][0], x), Math.max(box[1][1], y)];
  }
  return box;
}

function dot(ctx, x, y, radius, name) {
  ctx.beginPath();
  ctx.arc(x, y, radius, 0, 7);
  ctx.fillStyle = colour(name);
  ctx.fill();
}

/**
 * The way a vehicle went, coloured by its speed, with where it is now and where it reported something.
 *
 * Law: the view follows the whole track until it is moved by hand (map_sheet.js).
 */

import { $, colour, mix, prepareCanvas, setAttr, setText } from "./dom.js";
import { convert, formatPlace } from "./format.js";
import { MapSheet, project } from "./map_sheet.js";

const CLOSEST = 16.5; // a parked car is shown with its street
const FAST_MPH = 75; // where the colours end
const SHADES = 10; // between slow and fast: so many that no step is seen
const AGES = 20; // between old and new, likewise
const PIECES = 1500; // of the way at most: a screen has no more to show

export class VehicleMap {
  constructor(redraw) {
    this.canvas = $("map");
    this.elsewhere = document.querySelector('meta[name="map-link"]').content; // a place on somebody's map, for who follows the link
    this.sheet = new MapSheet(this.canvas, $("map-credit"), { redraw });
  }

  fit() {
    this.sheet.fit();
  }

  /**
   * track     a Series of latitude, longitude, speed
   * here      the present Location; heading: degrees from north, or undefined
   * events    what the vehicle reported: { kind, at, item }
   */
  render(track, here, heading, stale, events) {
    const end = here && project(here.latitude, here.longitude);
    $("map-link").hidden = !end;
    if (!end) {
      prepareCanvas(this.canvas);
      setText($("map-place"), "No position reported yet");
      return;
    }
    const points = this.#points(track);
    const xs = [end[0], ...points.map((point) => point[0])];
    const ys = [end[1], ...points.map((point) => point[1])];
    const least = (list) => list.reduce((a, b) => Math.min(a, b));
    const most = (list) => list.reduce((a, b) => Math.max(a, b));
    const ctx = this.sheet.begin([[least(xs), least(ys)], [most(xs), most(ys)]], CLOSEST);
    this.#drawWay(ctx, points, end);
    this.#drawMarks(ctx, track, points, events);
    drawCar(ctx, this.sheet.at(end), heading, colour(stale ? "soft" : "accent"));
    this.#drawLegend(ctx, this.sheet.drawScale());
    this.#say(here, points.length);
  }

  #say(here, count) {
    const text = formatPlace(here, 5);
    setText($("map-place"), text);
    setAttr($("map-link"), "href", this.elsewhere.replace(/\{latitude\}/g, here.latitude).replace(/\{longitude\}/g, here.longitude));
    setAttr(this.canvas, "aria-label", `Track of ${count} points, now at ${text}`);
  }

  #points(track) {
    const points = [];
    const [latitudes, longitudes, speeds] = track.rows;
    for (let index = 0; index < track.size; index++) points.push([...project(latitudes[index], longitudes[index]), speeds[index]]);
    return points;
  }

  /** In short pieces, each in the colour of its speed; older ones are paler. Opaque, for pieces overlap where they meet. */
  #drawWay(ctx, points, end) {
    const { sheet } = this;
    const shades = Array.from({ length: SHADES + 1 }, (_, index) => mix(colour("slow"), colour("fast"), index / SHADES));
    const pale = colour("land");
    const paler = shades.map(() => []);
    ctx.lineWidth = 4;
    const stride = Math.max(1, Math.ceil(points.length / PIECES));
    let from = points.length ? sheet.at(points[0]) : null;
    for (let index = stride; from && index < points.length + stride; index += stride) {
      const point = points[index] ?? [...end, points.at(-1)[2]];
      const to = sheet.at(point);
      const shade = Math.round(Math.min(1, Math.max(0, point[2] / FAST_MPH)) * SHADES);
      const age = Math.round((1 - Math.min(1, index / points.length)) * AGES);
      ctx.strokeStyle = paler[shade][age] ??= mix(shades[shade], pale, (0.6 * age) / AGES);
      ctx.beginPath();
      ctx.moveTo(...from);
      ctx.lineTo(...to);
      ctx.stroke();
      from = to;
    }
  }

  /** Where alerts began and errors were reported. */
  #drawMarks(ctx, track, points, events) {
    for (const { kind, at, item } of events) {
      const place = track.find(at + 1) - 1;
      if (place < 0 || !(kind === "errors" || (kind === "alerts" && !item.ended))) continue;
      const [x, y] = this.sheet.at(points[place]);
      ctx.beginPath();
      ctx.moveTo(x, y - 7);
      ctx.lineTo(x + 6.5, y + 5);
      ctx.lineTo(x - 6.5, y + 5);
      ctx.closePath();
      ctx.fillStyle = colour(kind === "errors" ? "red" : "amber");
      ctx.strokeStyle = colour("panel");
      ctx.lineWidth = 2;
      ctx.stroke();
      ctx.fill();
    }
  }

  /** What the colours of the way say. */
  #drawLegend(ctx, y) {
    const { width } = this.sheet;
    const { value, unit } = convert("speed", FAST_MPH);
    const right = width - 84;
    const left = right - Math.min(100, width / 7);
    const shade = ctx.createLinearGradient(left, 0, right, 0);
    shade.addColorStop(0, colour("slow"));
    shade.addColorStop(1, colour("fast"));
    ctx.fillStyle = shade;
    ctx.fillRect(left, y - 6, right - left, 4);
    ctx.fillStyle = colour("soft");
    ctx.fillText("0", left - 14, y);
    ctx.fillText(`${Math.round(value / 10) * 10} ${unit}`, right + 8, y);
  }
}

/** A vehicle at a point of the canvas: an arrow the way it heads, a dot if that is not known. */
export function drawCar(ctx, [x, y], heading, fill, size = 1) {
  ctx.save();
  ctx.translate(x, y);
  ctx.scale(size, size);
  ctx.beginPath();
  ctx.arc(0, 0, 18, 0, 7);
  ctx.globalAlpha = 0.18;
  ctx.fillStyle = fill;
  ctx.fill();
  ctx.globalAlpha = 1;
  ctx.beginPath();
  if (typeof heading === "number") {
    ctx.rotate((heading * Math.PI) / 180);
    ctx.moveTo(0, -11);
    ctx.lineTo(8, 9);
    ctx.lineTo(0, 4);
    ctx.lineTo(-8, 9);
    ctx.closePath();
  } else {
    ctx.arc(0, 0, 7, 0, 7);
  }
  ctx.lineWidth = 4;
  ctx.strokeStyle = colour("panel");
  ctx.stroke();
  ctx.fill();
  ctx.restore();
}

/**
 * The way a vehicle went, on a plain sheet with a scale; on a map's tiles, if the server names some.
 *
 * Law: Web Mercator throughout, in pixels of the whole world at zoom 0 times 2^zoom, so tiles fit where there are any. The view
 * follows the whole track until it is moved by hand.
 */

import { $, colour, mix, prepareCanvas } from "./dom.js";
import { convert, formatPlace } from "./format.js";

const TILE = 256;
const EARTH_M = 40_075_016.686;
const ZOOM_LEAST = 2;
const ZOOM_MOST = 19;
const FIT_MOST = 16.5; // a parked car is shown with its street
const SCALE_PX = 120;
const EDGE = 46; // pixels left free around the whole track …
const TOOLS = 40; // … and for the buttons at the right
const TILES_MOST = 200; // images kept: several screens of 256 pixels
const FAST_MPH = 75; // where the colours end
const SHADES = 10; // between slow and fast: so many that no step is seen

const NORTH_MOST = 85.05; // where the sheet of Web Mercator ends: the poles are infinitely far

const onSheet = (latitude) => Math.min(NORTH_MOST, Math.max(-NORTH_MOST, latitude));

const project = (latitude, longitude) => {
  const sine = Math.sin((onSheet(latitude) * Math.PI) / 180);
  return [((longitude + 180) / 360) * TILE, (0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI)) * TILE];
};

export class VehicleMap {
  constructor(redraw) {
    this.canvas = $("map");
    this.redraw = redraw;
    const tiles = document.querySelector('meta[name="tiles"]');
    this.tiles = tiles && { address: tiles.content, images: new Map() };
    $("map-credit").textContent = tiles?.dataset.credit ?? "";
    $("map-in").addEventListener("click", () => this.#zoom(1));
    $("map-out").addEventListener("click", () => this.#zoom(-1));
    $("map-fit").addEventListener("click", () => this.fit());
    this.canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    this.canvas.addEventListener("pointerdown", (event) => this.#grab(event));
    this.canvas.addEventListener("dblclick", () => this.fit());
    this.fit();
  }

  fit() {
    this.moved = null;
    this.redraw();
  }

  #zoom(step, x = this.width / 2, y = this.height / 2) {
    const view = this.moved ?? { ...this.view };
    const zoom = Math.min(ZOOM_MOST, Math.max(ZOOM_LEAST, view.zoom + step));
    const before = 2 ** -view.zoom;
    const after = 2 ** -zoom;
    const [dx, dy] = [x - this.width / 2, y - this.height / 2];
    this.moved = { zoom, x: view.x + dx * (before - after), y: view.y + dy * (before - after) };
    this.redraw();
  }

  /** With Ctrl, as maps in a page that scrolls have it; a pinch on a trackpad says Ctrl, too. */
  #wheel(event) {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    this.#zoom(-event.deltaY / 300, event.offsetX, event.offsetY);
  }

  #grab(event) {
    const start = { x: event.clientX, y: event.clientY, view: { ...(this.moved ?? this.view) } };
    this.canvas.setPointerCapture(event.pointerId);
    this.canvas.onpointermove = ({ clientX, clientY }) => {
      const unit = 2 ** -start.view.zoom;
      this.moved = { ...start.view, x: start.view.x + (start.x - clientX) * unit, y: start.view.y + (start.y - clientY) * unit };
      this.redraw();
    };
    this.canvas.onpointerup = this.canvas.onpointercancel = () => (this.canvas.onpointermove = null);
  }

  // ---- drawing

  /** `track`: a Series of latitude, longitude, speed; `here`: the present Location; `heading`: degrees from north, or undefined. */
  render(track, here, heading, stale) {
    const { ctx, width, height } = prepareCanvas(this.canvas);
    Object.assign(this, { ctx, width, height });
    const points = this.#points(track);
    const end = here && project(here.latitude, here.longitude);
    if (!end) {
      $("map-place").textContent = "No position reported yet";
      return;
    }
    this.view = this.moved ?? this.#around(points, end);
    this.scale = 2 ** this.view.zoom;
    this.metres = (EARTH_M * Math.cos((onSheet(here.latitude) * Math.PI) / 180)) / (TILE * this.scale);
    if (this.tiles) this.#drawTiles();
    else this.#drawGrid();
    this.#drawWay(points, end);
    this.#drawCar(end, heading, stale);
    this.#drawScale();
    const text = formatPlace(here, 5);
    $("map-place").textContent = text;
    this.canvas.setAttribute("aria-label", `Track of ${points.length} points, now at ${text}`);
  }

  #points(track) {
    const points = [];
    const [latitudes, longitudes, speeds] = track.rows;
    for (let index = 0; index < track.size; index++) points.push([...project(latitudes[index], longitudes[index]), speeds[index]]);
    return points;
  }

  #around(points, end) {
    const xs = [end[0], ...points.map((point) => point[0])];
    const ys = [end[1], ...points.map((point) => point[1])];
    const [left, right] = [xs.reduce((a, b) => Math.min(a, b)), xs.reduce((a, b) => Math.max(a, b))];
    const [top, bottom] = [ys.reduce((a, b) => Math.min(a, b)), ys.reduce((a, b) => Math.max(a, b))];
    const room = Math.min((this.width - 2 * EDGE - TOOLS) / (right - left || 1e-9), (this.height - 2 * EDGE) / (bottom - top || 1e-9));
    const zoom = Math.min(FIT_MOST, Math.log2(Math.max(room, 1)));
    return { x: (left + right) / 2 + TOOLS / 2 / 2 ** zoom, y: (top + bottom) / 2, zoom };
  }

  #at([x, y]) {
    return [(x - this.view.x) * this.scale + this.width / 2, (y - this.view.y) * this.scale + this.height / 2];
  }

  #drawGrid() {
    const { ctx, width, height } = this;
    const step = this.#nice(SCALE_PX).metres / this.metres;
    const [x0, y0] = this.#at([0, 0]);
    ctx.beginPath();
    for (let x = x0 % step; x < width; x += step) ctx.rect(Math.round(x), 0, 1, height);
    for (let y = y0 % step; y < height; y += step) ctx.rect(0, Math.round(y), width, 1);
    ctx.fillStyle = colour("grid");
    ctx.fill();
  }

  #drawTiles() {
    const { ctx, width, height } = this;
    const zoom = Math.min(ZOOM_MOST, Math.max(0, Math.round(this.view.zoom)));
    const size = TILE * 2 ** (this.view.zoom - zoom);
    const [x0, y0] = this.#at([0, 0]);
    const across = 2 ** zoom; // tiles of the whole world, in a row
    const [columns, rows] = [[x0, width], [y0, height]].map(([start, end]) => [Math.max(0, Math.floor(-start / size)), Math.min(across, (end - start) / size)]);
    for (let column = columns[0]; column < columns[1]; column++)
      for (let row = rows[0]; row < rows[1]; row++) {
        const image = this.#tile(zoom, column, row);
        if (image.complete && image.naturalWidth) ctx.drawImage(image, x0 + column * size, y0 + row * size, size + 0.5, size + 0.5);
      }
  }

  #tile(z, x, y) {
    const { images, address } = this.tiles;
    const url = address.replace("{z}", z).replace("{x}", x).replace("{y}", y);
    let image = images.get(url);
    if (!image) {
      if (images.size > TILES_MOST) images.delete(images.keys().next().value);
      image = new Image();
      image.referrerPolicy = "origin"; // hosts of tiles want to know whom they serve
      image.onload = this.redraw;
      image.src = url;
      images.set(url, image);
    }
    return image;
  }

  /** In short pieces, each in the colour of its speed; older ones fade. */
  #drawWay(points, end) {
    const { ctx } = this;
    const shades = Array.from({ length: SHADES + 1 }, (_, index) => mix(colour("slow"), colour("fast"), index / SHADES));
    ctx.lineWidth = 4;
    const stride = Math.max(1, Math.ceil(points.length / 1500));
    let from = points.length ? this.#at(points[0]) : null;
    for (let index = stride; from && index < points.length + stride; index += stride) {
      const point = points[index] ?? [...end, points.at(-1)[2]];
      const to = this.#at(point);
      ctx.globalAlpha = 0.35 + 0.65 * (index / points.length);
      ctx.strokeStyle = shades[Math.round(Math.min(1, Math.max(0, point[2] / FAST_MPH)) * SHADES)];
      ctx.beginPath();
      ctx.moveTo(...from);
      ctx.lineTo(...to);
      ctx.stroke();
      from = to;
    }
    ctx.globalAlpha = 1;
  }

  #drawCar(end, heading, stale) {
    const { ctx } = this;
    const [x, y] = this.#at(end);
    ctx.save();
    ctx.translate(x, y);
    ctx.beginPath();
    ctx.arc(0, 0, 18, 0, 7);
    ctx.globalAlpha = 0.18;
    ctx.fillStyle = colour(stale ? "soft" : "accent");
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
    ctx.fill();
    ctx.lineWidth = 2;
    ctx.strokeStyle = colour("panel");
    ctx.stroke();
    ctx.restore();
  }

  /** The largest round length that takes at most `px`; { metres, text }. */
  #nice(px) {
    const { value, unit } = convert("distance", 1 / 1609.344);
    const small = { km: ["m", 1000], mi: ["ft", 5280] }[unit];
    const room = px * this.metres * value;
    const [shown, factor] = room < 1 ? [small[0], small[1]] : [unit, 1];
    const power = 10 ** Math.floor(Math.log10(room * factor));
    const round = [5, 2, 1].find((step) => step * power <= room * factor) * power;
    return { metres: round / factor / value, text: `${round} ${shown}` };
  }

  #drawScale() {
    const { ctx, height } = this;
    const { metres, text } = this.#nice(SCALE_PX);
    const length = metres / this.metres;
    const [x, y] = [16, height - 16];
    ctx.beginPath();
    ctx.moveTo(x, y - 6);
    ctx.lineTo(x, y);
    ctx.lineTo(x + length, y);
    ctx.lineTo(x + length, y - 6);
    ctx.lineWidth = 2;
    ctx.lineCap = "butt";
    ctx.strokeStyle = ctx.fillStyle = colour("soft");
    ctx.stroke();
    ctx.font = "12px Inter, system-ui, sans-serif";
    ctx.fillText(text, x + length + 8, y);
    this.#drawLegend(y);
  }

  /** What the colours of the way say. */
  #drawLegend(y) {
    const { ctx, width } = this;
    const { value, unit } = convert("speed", FAST_MPH);
    const right = width - 84;
    const left = right - Math.min(100, width / 7);
    const shade = ctx.createLinearGradient(left, 0, right, 0);
    shade.addColorStop(0, colour("slow"));
    shade.addColorStop(1, colour("fast"));
    ctx.fillStyle = shade;
    ctx.fillRect(left, y - 4, right - left, 4);
    ctx.fillStyle = colour("soft");
    ctx.fillText("0", left - 14, y + 1);
    ctx.fillText(`${Math.round(value / 10) * 10} ${unit}`, right + 8, y + 1);
  }
}

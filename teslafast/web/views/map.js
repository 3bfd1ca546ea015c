/**
 * The way a vehicle went, on a plain sheet with a scale; on a map's tiles, if the server names some.
 *
 * Web Mercator throughout, in pixels of the whole world at zoom 0 times 2^zoom, so tiles fit where there are any. The view
 * follows the whole track until it is moved by hand.
 */

import { $, colour, sheet } from "./dom.js";
import { measure, place } from "./format.js";

const TILE = 256;
const EARTH_M = 40_075_016.686;
const ZOOM_LEAST = 2;
const ZOOM_MOST = 19;
const FIT_MOST = 16.5;
const SCALE_PX = 120;
const EDGE = 46; // pixels left free around the whole track …
const TOOLS = 40; // … and for the buttons at the right
const FAST_MPH = 75; // where the colours end

const project = (latitude, longitude) => {
  const sine = Math.sin((latitude * Math.PI) / 180);
  return [((longitude + 180) / 360) * TILE, (0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI)) * TILE];
};

export class Track {
  constructor(dirty) {
    this.canvas = $("track");
    this.dirty = dirty;
    const wish = document.querySelector('meta[name="tiles"]');
    this.tiles = wish && { address: wish.content, images: new Map() };
    $("track-credit").textContent = wish?.dataset.credit ?? "";
    $("track-in").addEventListener("click", () => this.#zoom(1));
    $("track-out").addEventListener("click", () => this.#zoom(-1));
    $("track-fit").addEventListener("click", () => this.fit());
    this.canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    this.canvas.addEventListener("pointerdown", (event) => this.#grab(event));
    this.canvas.addEventListener("dblclick", () => this.fit());
    this.fit();
  }

  fit() {
    this.moved = null;
    this.dirty();
  }

  #zoom(step, x = this.width / 2, y = this.height / 2) {
    const view = this.moved ?? { ...this.view };
    const zoom = Math.min(ZOOM_MOST, Math.max(ZOOM_LEAST, view.zoom + step));
    const before = 2 ** -view.zoom;
    const after = 2 ** -zoom;
    const [dx, dy] = [x - this.width / 2, y - this.height / 2];
    this.moved = { zoom, x: view.x + dx * (before - after), y: view.y + dy * (before - after) };
    this.dirty();
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
      this.dirty();
    };
    this.canvas.onpointerup = this.canvas.onpointercancel = () => (this.canvas.onpointermove = null);
  }

  // ---- drawing

  /** `track`: a Column of latitude, longitude, speed; `here`: the present Location; `heading`: degrees from north, or undefined. */
  render(track, here, heading, stale) {
    const { ink, width, height } = sheet(this.canvas);
    Object.assign(this, { ink, width, height });
    const points = this.#points(track);
    const end = here && project(here.latitude, here.longitude);
    if (!end) {
      $("track-place").textContent = "It has not told where it is";
      return;
    }
    this.view = this.moved ?? this.#around(points, end);
    this.scale = 2 ** this.view.zoom;
    this.metres = (EARTH_M * Math.cos((here.latitude * Math.PI) / 180)) / (TILE * this.scale);
    if (this.tiles) this.#drawTiles();
    else this.#drawGrid();
    this.#drawWay(points, end);
    this.#drawCar(end, heading, stale);
    this.#drawScale();
    const text = place(here, 5);
    $("track-place").textContent = text;
    this.canvas.setAttribute("aria-label", `Track of ${points.length} points; it is at ${text}`);
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
    const { ink, width, height } = this;
    const step = this.#nice(SCALE_PX).metres / this.metres;
    const [x0, y0] = this.#at([0, 0]);
    ink.beginPath();
    for (let x = x0 % step; x < width; x += step) ink.rect(Math.round(x), 0, 1, height);
    for (let y = y0 % step; y < height; y += step) ink.rect(0, Math.round(y), width, 1);
    ink.fillStyle = colour("grid");
    ink.fill();
  }

  #drawTiles() {
    const { ink, width, height } = this;
    const zoom = Math.min(ZOOM_MOST, Math.max(0, Math.round(this.view.zoom)));
    const size = TILE * 2 ** (this.view.zoom - zoom);
    const [x0, y0] = this.#at([0, 0]);
    for (let column = Math.floor(-x0 / size); x0 + column * size < width; column++)
      for (let row = Math.floor(-y0 / size); y0 + row * size < height; row++) {
        const image = this.#tile(zoom, column, row);
        if (image?.complete && image.naturalWidth) ink.drawImage(image, x0 + column * size, y0 + row * size, size + 0.5, size + 0.5);
      }
  }

  #tile(z, x, y) {
    const { images, address } = this.tiles;
    if (x < 0 || y < 0 || x >= 2 ** z || y >= 2 ** z) return undefined;
    const url = address.replace("{z}", z).replace("{x}", x).replace("{y}", y);
    let image = images.get(url);
    if (!image) {
      if (images.size > 200) images.delete(images.keys().next().value);
      image = new Image();
      image.referrerPolicy = "origin"; // hosts of tiles want to know whom they serve
      image.onload = this.dirty;
      image.src = url;
      images.set(url, image);
    }
    return image;
  }

  /** In short pieces, each in the colour of its speed; older ones fade. */
  #drawWay(points, end) {
    const { ink } = this;
    const slow = colour("slow");
    const fast = colour("fast");
    ink.lineWidth = 4;
    const stride = Math.max(1, Math.ceil(points.length / 1500));
    let from = points.length ? this.#at(points[0]) : null;
    for (let index = stride; from && index < points.length + stride; index += stride) {
      const point = points[index] ?? [...end, points.at(-1)[2]];
      const to = this.#at(point);
      ink.globalAlpha = 0.35 + 0.65 * (index / points.length);
      ink.strokeStyle = `color-mix(in oklab, ${fast} ${Math.round(Math.min(1, point[2] / FAST_MPH) * 10) * 10}%, ${slow})`;
      ink.beginPath();
      ink.moveTo(...from);
      ink.lineTo(...to);
      ink.stroke();
      from = to;
    }
    ink.globalAlpha = 1;
  }

  #drawCar(end, heading, stale) {
    const { ink } = this;
    const [x, y] = this.#at(end);
    ink.save();
    ink.translate(x, y);
    ink.beginPath();
    ink.arc(0, 0, 18, 0, 7);
    ink.globalAlpha = 0.18;
    ink.fillStyle = colour(stale ? "soft" : "accent");
    ink.fill();
    ink.globalAlpha = 1;
    ink.beginPath();
    if (typeof heading === "number") {
      ink.rotate((heading * Math.PI) / 180);
      ink.moveTo(0, -11);
      ink.lineTo(8, 9);
      ink.lineTo(0, 4);
      ink.lineTo(-8, 9);
      ink.closePath();
    } else {
      ink.arc(0, 0, 7, 0, 7);
    }
    ink.fill();
    ink.lineWidth = 2;
    ink.strokeStyle = colour("panel");
    ink.stroke();
    ink.restore();
  }

  /** The largest round length that takes at most `px`; { metres, text }. */
  #nice(px) {
    const { value, unit } = measure("distance", 1 / 1609.344);
    const small = { km: ["m", 1000], mi: ["ft", 5280] }[unit];
    const room = px * this.metres * value;
    const [shown, factor] = room < 1 ? [small[0], small[1]] : [unit, 1];
    const power = 10 ** Math.floor(Math.log10(room * factor));
    const round = [5, 2, 1].find((step) => step * power <= room * factor) * power;
    return { metres: round / factor / value, text: `${round} ${shown}` };
  }

  #drawScale() {
    const { ink, height } = this;
    const { metres, text } = this.#nice(SCALE_PX);
    const length = metres / this.metres;
    const [x, y] = [16, height - 16];
    ink.beginPath();
    ink.moveTo(x, y - 6);
    ink.lineTo(x, y);
    ink.lineTo(x + length, y);
    ink.lineTo(x + length, y - 6);
    ink.lineWidth = 2;
    ink.lineCap = "butt";
    ink.strokeStyle = ink.fillStyle = colour("soft");
    ink.stroke();
    ink.font = "12px Inter, system-ui, sans-serif";
    ink.fillText(text, x + length + 8, y);
    this.#drawLegend(y);
  }

  /** What the colours of the way say. */
  #drawLegend(y) {
    const { ink, width } = this;
    const { value, unit } = measure("speed", FAST_MPH);
    const right = width - 84;
    const left = right - Math.min(100, width / 7);
    const shade = ink.createLinearGradient(left, 0, right, 0);
    shade.addColorStop(0, colour("slow"));
    shade.addColorStop(1, colour("fast"));
    ink.fillStyle = shade;
    ink.fillRect(left, y - 4, right - left, 4);
    ink.fillStyle = colour("soft");
    ink.fillText("0", left - 14, y + 1);
    ink.fillText(`${Math.round(value / 10) * 10} ${unit}`, right + 8, y + 1);
  }
}

/**
 * A map to draw on: a sheet with land, a grid and a scale; a map's tiles under it, if the server names some.
 *
 * Law: Web Mercator throughout, in pixels of the whole world at zoom 0 times 2^zoom, so tiles fit where there are any. The view
 * follows what is to be seen until it is moved by hand: dragged, pinched, by the wheel with Ctrl, or by the buttons.
 */

import { decodeLand } from "./land.js";
import { colour, el, icon, prepareCanvas } from "./dom.js";
import { convert } from "./format.js";

const TILE = 256;
const EARTH_M = 40_075_016.686;
const ZOOM_LEAST = 0;
const ZOOM_MOST = 19;
const ZOOM_LAND = 7; // from here on the coarse outline of the land would lie
const SCALE_PX = 110;
const EDGE = 46; // pixels left free around what is to be seen …
const TOOLS = 40; // … and for the buttons at the right
const TILES_MOST = 200; // images kept: several screens of 256 pixels
const CLICK_PX = 5; // a pointer that moved less has clicked, not dragged

const NORTH_MOST = 85.05; // where the sheet of Web Mercator ends: the poles are infinitely far

const onSheet = (latitude) => Math.min(NORTH_MOST, Math.max(-NORTH_MOST, latitude));

/** The place of a latitude and longitude on the sheet, in pixels at zoom 0. */
export const project = (latitude, longitude) => {
  const sine = Math.sin((onSheet(latitude) * Math.PI) / 180);
  return [((longitude + 180) / 360) * TILE, (0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI)) * TILE];
};

let land = null; // the outline of land, projected when the first sheet is drawn

export class MapSheet {
  /**
   * canvas    what is drawn on; the buttons are put beside it
   * credit    the element that names the tiles' source
   * on        { redraw(), click(x, y) }: click may be absent
   */
  constructor(canvas, credit, on) {
    this.canvas = canvas;
    this.on = on;
    this.pointers = new Map();
    const tiles = document.querySelector('meta[name="tiles"]');
    this.tiles = tiles && { address: tiles.content, images: new Map() };
    credit.textContent = tiles?.dataset.credit ?? "";
    canvas.after(this.#tools());
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.#grab(event));
    canvas.addEventListener("pointermove", (event) => this.#drag(event));
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => this.#drop(event));
    canvas.addEventListener("dblclick", () => this.fit());
    this.moved = null;
  }

  #tools() {
    const button = (label, path, click) => el("button", { title: label, "aria-label": label, click }, icon(path));
    return el("div", { class: "map-tools", role: "group", "aria-label": "Map" },
      button("Zoom in", "M12 5v14M5 12h14", () => this.#zoom(1)), button("Zoom out", "M5 12h14", () => this.#zoom(-1)),
      button("Show everything", "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5", () => this.fit()));
  }

  /** Back to all that is to be seen. */
  fit() {
    this.moved = null;
    this.on.redraw();
  }

  /** Turns to a part of the sheet; see `begin` for `bounds`. */
  turnTo(bounds) {
    this.moved = this.#around(bounds);
    this.on.redraw();
  }

  #zoom(step, x = this.width / 2, y = this.height / 2) {
    const view = this.moved ?? { ...this.view };
    const zoom = Math.min(ZOOM_MOST, Math.max(ZOOM_LEAST, view.zoom + step));
    const before = 2 ** -view.zoom;
    const after = 2 ** -zoom;
    const [dx, dy] = [x - this.width / 2, y - this.height / 2];
    this.moved = { zoom, x: view.x + dx * (before - after), y: view.y + dy * (before - after) };
    this.on.redraw();
  }

  /** With Ctrl, as maps in a page that scrolls have it; a pinch on a trackpad says Ctrl, too. */
  #wheel(event) {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    this.#zoom(-event.deltaY / 300, event.offsetX, event.offsetY);
  }

  #grab(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, [event.offsetX, event.offsetY]);
    this.travelled = 0;
  }

  #drag({ pointerId, offsetX, offsetY }) {
    const before = this.pointers.get(pointerId);
    if (!before || !this.view) return;
    const other = [...this.pointers].find(([id]) => id !== pointerId)?.[1];
    this.pointers.set(pointerId, [offsetX, offsetY]);
    this.travelled += Math.hypot(offsetX - before[0], offsetY - before[1]);
    if (this.travelled < CLICK_PX) return;
    if (other) {
      const apart = ([x, y]) => Math.hypot(x - other[0], y - other[1]) || 1;
      this.#zoom(Math.log2(apart([offsetX, offsetY]) / apart(before)), (offsetX + other[0]) / 2, (offsetY + other[1]) / 2);
      return;
    }
    const view = this.moved ?? this.view;
    const unit = 2 ** -view.zoom;
    this.moved = { ...view, x: view.x + (before[0] - offsetX) * unit, y: view.y + (before[1] - offsetY) * unit };
    this.on.redraw();
  }

  #drop({ type, pointerId, offsetX, offsetY }) {
    const clicked = this.pointers.delete(pointerId) && type === "pointerup" && this.travelled < CLICK_PX;
    if (clicked) this.on.click?.(offsetX, offsetY);
  }

  // ---- drawing

  /**
   * Makes the sheet ready: what lies under everything else is drawn. Returns the canvas's context.
   *
   * bounds    [[left, top], [right, bottom]] of what is to be seen, as `project` gives places
   * closest   the greatest zoom that is chosen for them
   */
  begin(bounds, closest) {
    const { ctx, width, height } = prepareCanvas(this.canvas);
    Object.assign(this, { ctx, width, height, closest });
    this.view = this.moved ?? this.#around(bounds);
    this.scale = 2 ** this.view.zoom;
    const north = Math.PI * (1 - (2 * this.view.y) / TILE);
    this.metres = EARTH_M / Math.cosh(north) / (TILE * this.scale);
    if (this.tiles) this.#drawTiles();
    else this.#drawGround();
    return ctx;
  }

  #around([[left, top], [right, bottom]]) {
    const room = Math.min((this.width - 2 * EDGE - TOOLS) / (right - left || 1e-9), (this.height - 2 * EDGE) / (bottom - top || 1e-9));
    const zoom = Math.max(ZOOM_LEAST, Math.min(this.closest, Math.log2(Math.max(room, 1e-9))));
    return { x: (left + right) / 2 + TOOLS / 2 / 2 ** zoom, y: (top + bottom) / 2, zoom };
  }

  /** Where on the canvas a place of the sheet is. */
  at([x, y]) {
    return [(x - this.view.x) * this.scale + this.width / 2, (y - this.view.y) * this.scale + this.height / 2];
  }

  #drawGround() {
    const { ctx, width, height } = this;
    ctx.fillStyle = colour("water");
    ctx.fillRect(0, 0, width, height);
    if (this.view.zoom < ZOOM_LAND) this.#drawLand();
    else {
      ctx.fillStyle = colour("land");
      ctx.fillRect(0, 0, width, height);
    }
    const step = this.#nice(SCALE_PX).metres / this.metres;
    const [x0, y0] = this.at([0, 0]);
    ctx.beginPath();
    for (let x = x0 % step; x < width; x += step) ctx.rect(Math.round(x), 0, 1, height);
    for (let y = y0 % step; y < height; y += step) ctx.rect(0, Math.round(y), width, 1);
    ctx.fillStyle = colour("mesh");
    ctx.fill();
  }

  #drawLand() {
    const { ctx, scale } = this;
    land ??= decodeLand().map((ring) => ring.map(([longitude, latitude]) => project(latitude, longitude)));
    const [x0, y0] = this.at([0, 0]);
    ctx.beginPath();
    for (const ring of land) {
      ring.forEach(([x, y], index) => (index ? ctx.lineTo(x0 + x * scale, y0 + y * scale) : ctx.moveTo(x0 + x * scale, y0 + y * scale)));
      ctx.closePath();
    }
    ctx.fillStyle = colour("land");
    ctx.fill();
    ctx.strokeStyle = colour("shore");
    ctx.lineWidth = 1;
    ctx.stroke();
  }

  #drawTiles() {
    const { ctx, width, height } = this;
    const zoom = Math.min(ZOOM_MOST, Math.max(0, Math.round(this.view.zoom)));
    const size = TILE * 2 ** (this.view.zoom - zoom);
    const [x0, y0] = this.at([0, 0]);
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
      image.onload = this.on.redraw;
      image.src = url;
      images.set(url, image);
    }
    return image;
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

  /** The scale, at the lower left; returns its height on the canvas, for what stands beside it. */
  drawScale() {
    const { ctx, height } = this;
    const { metres, text } = this.#nice(SCALE_PX);
    const length = metres / this.metres;
    const [x, y] = [16.5, height - 16.5];
    ctx.beginPath();
    ctx.moveTo(x, y - 5);
    ctx.lineTo(x, y);
    ctx.lineTo(x + length, y);
    ctx.lineTo(x + length, y - 5);
    ctx.lineWidth = 1.5;
    ctx.lineCap = "butt";
    ctx.strokeStyle = ctx.fillStyle = colour("soft");
    ctx.stroke();
    ctx.textAlign = "left";
    ctx.textBaseline = "alphabetic";
    ctx.fillText(text, x + length + 8, y);
    return y;
  }
}

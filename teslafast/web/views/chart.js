/**
 * Any field over time: one line, drawn from a series between two moments, and marks where alerts began and errors were reported.
 *
 * Law: a point stands for its value until the next one: vehicles report what has changed, so between two points nothing has. Where there are
 * more points than pixels, each pixel shows the least and the greatest of its own.
 */

import { POWER } from "../model/series.js";
import { colour, el, icon, prepareCanvas, setAttr, setText } from "./dom.js";
import { convert, fieldLabel, fixed, formatTime, formatValue, quantityOf, unitOf } from "./format.js";

const LEFT = 52;
const BELOW = 18;
const LEVELS_MOST = 12; // words at the axis: more do not fit
const LEVEL_PX = 26; // between two lines of the grid
const MARK_PX = 7; // how near to a mark a pointer means it
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400].map((s) => s * 1000);

export class Chart {
  /** `on`: { choose(chart), remove(chart), point(share or null) } */
  constructor(field, on) {
    this.field = field;
    this.name = el("span");
    this.unit = el("small");
    this.choice = el("button", { class: "ghost", title: "Choose another field", click: () => on.choose(this) }, this.name, this.unit, icon("M7 10l5 5 5-5"));
    this.now = el("output");
    this.canvas = el("canvas", { role: "img" });
    this.canvas.addEventListener("pointermove", (event) => on.point((event.offsetX - LEFT) / (this.canvas.clientWidth - LEFT - 8)));
    this.canvas.addEventListener("pointerleave", () => on.point(null));
    const remove = el("button", { class: "ghost", title: "Remove this chart", "aria-label": "Remove this chart", click: () => on.remove(this) }, icon("M6 6l12 12M18 6 6 18"));
    this.node = el("figure", {}, el("figcaption", {}, this.choice, this.now, remove), this.canvas);
  }

  /** `series` may be undefined; `from`, `to`: ms; `share`: where a pointer is, 0 to 1, or null; `marks`: [{ at, kind, name }]. */
  render(series, from, to, share, marks) {
    setText(this.name, fieldLabel(this.field));
    setText(this.unit, unitOf(this.field));
    const { ctx, width, height } = prepareCanvas(this.canvas);
    if (!width) return;
    const area = { left: LEFT, right: width - 8, top: 10, bottom: height - BELOW };
    const x = (at) => area.left + ((at - from) / (to - from)) * (area.right - area.left);
    this.#times(ctx, area, from, to, x);
    if (!series?.size) {
      this.#nothing(ctx, area);
      return;
    }
    const first = Math.max(0, series.find(from) - 1);
    const last = series.find(to + 1);
    const scale = this.#scale(series, first, last);
    const y = (value) => area.bottom - ((value - scale.low) / (scale.high - scale.low)) * (area.bottom - area.top);
    this.#levels(ctx, area, series, scale, y);
    this.#line(ctx, area, series, first, last, x, y, scale);
    const shown = marks.filter(({ at }) => at >= from && at <= to);
    for (const mark of shown) this.#mark(ctx, area, x(mark.at), mark.kind);
    const at = share === null ? to : from + Math.min(1, Math.max(0, share)) * (to - from);
    const place = series.find(at + 1) - 1;
    const value = place >= 0 ? series.rows[0][place] : NaN;
    if (share !== null && place >= 0) this.#cross(ctx, area, x(at), y(value * scale.factor + scale.offset));
    const text = this.#text(series, value);
    const near = share === null ? undefined : shown.find((mark) => Math.abs(x(mark.at) - x(at)) < MARK_PX);
    setText(this.now, share === null ? text : `${text} at ${formatTime(at, to)}${near ? ` · ${near.name}` : ""}`);
    if (share === null) this.#describe(text, to - from);
  }

  #nothing(ctx, area) {
    setText(this.now, "–");
    setAttr(this.canvas, "aria-label", `${fieldLabel(this.field)}: no data yet`);
    ctx.fillStyle = colour("soft");
    ctx.textAlign = "left";
    ctx.fillText("No data yet", area.left + 8, (area.top + area.bottom) / 2);
  }

  #describe(text, span) {
    setAttr(this.canvas, "aria-label", `${fieldLabel(this.field)} over ${Math.round(span / 60_000)} minutes, now ${text}`);
  }

  #text(series, value) {
    if (series.words) return series.words[value] === undefined ? "–" : formatValue(this.field, series.words[value]);
    return formatValue(this.field, Number.isNaN(value) ? null : value);
  }

  #scale(series, first, last) {
    const quantity = this.field === POWER ? "power" : quantityOf(this.field);
    const offset = quantity ? convert(quantity, 0).value : 0;
    const factor = quantity ? convert(quantity, 1).value - offset : 1;
    if (series.words) return { low: -0.5, high: series.words.length - 0.5, factor: 1, offset: 0 };
    let [low, high] = [Infinity, -Infinity];
    for (let index = first; index < last; index++) {
      const value = series.rows[0][index];
      if (value < low) low = value;
      if (value > high) high = value;
    }
    if (low > high) [low, high] = [0, 1];
    [low, high] = [low * factor + offset, high * factor + offset];
    const room = Math.max((high - low) * 0.12, Math.abs(high) * 0.01, 0.05);
    return { low: low >= 0 && low - room < 0 ? 0 : low - room, high: high + room, factor, offset };
  }

  #levels(ctx, area, series, scale, y) {
    ctx.textAlign = "right";
    ctx.textBaseline = "middle";
    const levels = series.words ? series.words.map((_, index) => index).slice(0, LEVELS_MOST) : ticks(scale.low, scale.high, (area.bottom - area.top) / LEVEL_PX);
    const decimals = Math.max(0, -Math.floor(Math.log10(levels[1] - levels[0] || 1)));
    for (const level of levels) {
      const text = series.words ? formatValue(this.field, series.words[level]) : fixed(level, decimals);
      ctx.fillStyle = colour("soft");
      ctx.fillText(text.length > 8 ? `${text.slice(0, 7)}…` : text, area.left - 8, y(level));
      ctx.fillStyle = colour(level === 0 && scale.low < 0 ? "axis" : "grid");
      ctx.fillRect(area.left, Math.round(y(level)), area.right - area.left, 1);
    }
  }

  #times(ctx, area, from, to, x) {
    const step = STEPS.find((ms) => (to - from) / ms <= (area.right - area.left) / 90) ?? STEPS.at(-1);
    ctx.textAlign = "center";
    ctx.textBaseline = "alphabetic";
    for (let at = Math.ceil(from / step) * step; at <= to; at += step) {
      ctx.fillStyle = colour("grid");
      ctx.fillRect(Math.round(x(at)), area.top, 1, area.bottom - area.top);
      ctx.fillStyle = colour("soft");
      const label = formatTime(at, at);
      if (x(at) > area.left + 20 && x(at) < area.right - 20) ctx.fillText(step % 60_000 ? label : label.slice(0, 5), x(at), area.bottom + 13);
    }
    ctx.fillStyle = colour("axis");
    ctx.fillRect(area.left, area.bottom, area.right - area.left, 1);
  }

  /** Above zero in one colour, below it, where what flows goes back, in another. */
  #line(ctx, area, series, first, last, x, y, scale) {
    const path = this.#path(area, series, first, last, x, y, scale);
    const zero = Math.min(area.bottom, y(0));
    const parts = series.words || scale.low >= 0 ? [["accent", area.top - 2, area.bottom + 2]] : [["accent", area.top - 2, zero], ["blue", zero, area.bottom + 2]];
    for (const [name, top, bottom] of parts) {
      if (bottom <= top) continue;
      ctx.save();
      ctx.beginPath();
      ctx.rect(area.left, top, area.right - area.left, bottom - top);
      ctx.clip();
      ctx.fillStyle = ctx.strokeStyle = colour(name);
      ctx.globalAlpha = name === "blue" ? 0.24 : 0.1;
      if (path.filled && scale.low <= 0) this.#fill(ctx, path, zero);
      ctx.globalAlpha = 1;
      ctx.lineWidth = 1.75;
      ctx.stroke(path.line);
      ctx.restore();
    }
  }

  /** The area between the line and zero; a gap in the line is one here, too. */
  #fill(ctx, { pieces }, zero) {
    for (const piece of pieces) {
      ctx.beginPath();
      ctx.moveTo(piece[0][0], zero);
      for (const [at, value] of piece) ctx.lineTo(at, value);
      ctx.lineTo(piece.at(-1)[0], zero);
      ctx.fill();
    }
  }

  /** The line, as a Path2D and as pieces of points between its gaps. */
  #path(area, series, first, last, x, y, scale) {
    const line = new Path2D();
    const pieces = [];
    let [before, drawn] = [NaN, -Infinity];
    let [low, high] = [Infinity, -Infinity];
    const to = (at, value) => {
      line.lineTo(at, value);
      pieces.at(-1).push([at, value]);
    };
    for (let index = first; index < last; index++) {
      const at = x(series.at[index]);
      const value = y(series.rows[0][index] * scale.factor + scale.offset);
      if (at - drawn < 0.5 && !Number.isNaN(before) && !Number.isNaN(value)) {
        [low, high] = [Math.min(low, value), Math.max(high, value)];
      } else {
        if (low < high) {
          line.moveTo(drawn, low);
          line.lineTo(drawn, high);
          line.moveTo(drawn, before);
        }
        [low, high] = [value, value];
        if (Number.isNaN(value)) {
          if (!Number.isNaN(before)) to(at, before);
        } else if (Number.isNaN(before)) {
          line.moveTo(at, value);
          pieces.push([[at, value]]);
        } else {
          if (series.words || at - drawn > 24) to(at, before); // a step; close points make a line
          to(at, value);
        }
        drawn = at;
      }
      before = value;
    }
    if (!Number.isNaN(before)) to(area.right, before);
    return { line, pieces, filled: !series.words };
  }

  /** A flag at the top, and a thin line down. */
  #mark(ctx, area, x, kind) {
    ctx.fillStyle = colour(kind === "errors" ? "red" : "amber");
    ctx.globalAlpha = 0.45;
    ctx.fillRect(Math.round(x), area.top, 1, area.bottom - area.top);
    ctx.globalAlpha = 1;
    ctx.beginPath();
    ctx.moveTo(x - 4.5, area.top - 8);
    ctx.lineTo(x + 5.5, area.top - 8);
    ctx.lineTo(x + 0.5, area.top);
    ctx.fill();
  }

  #cross(ctx, area, x, y) {
    ctx.fillStyle = colour("soft");
    ctx.fillRect(Math.round(x), area.top, 1, area.bottom - area.top);
    if (Number.isNaN(y)) return;
    ctx.beginPath();
    ctx.arc(x, y, 4, 0, 7);
    ctx.fillStyle = colour("accent");
    ctx.fill();
  }
}

/** About `count` round numbers between two. */
function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((times) => times * power >= rough) * power;
  const levels = [];
  for (let level = Math.ceil(low / step) * step; level <= high; level += step) levels.push(level);
  return levels;
}

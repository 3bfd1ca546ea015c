/**
 * One vehicle's past: a series of times and values for every field, the track, and what happened to it.
 *
 * Law: a series is bounded (MOST points): a full one lets its older half go. Times are the vehicle's, and in each series they
 * never fall. Words (enums) become numbers in the order in which they appear, and keep their words for the axis.
 */

import { eventTime } from "./event.js";

const MOST = 8192; // two hours of a value a second, 128 KiB
const WORDS = 256; // different texts of one field; an enum has a dozen, and what has more (a title, a route) is no chart
const EVENTS = 200; // more than anybody scrolls through
export const POWER = "Power"; // no field of the protocol: voltage times current

export class Series {
  constructor(width = 1) {
    this.size = 0;
    this.at = new Float64Array(256);
    this.rows = Array.from({ length: width }, () => new Float64Array(256));
    this.words = null;
  }

  push(at, ...values) {
    if (this.size && at < this.at[this.size - 1]) return;
    if (this.size === this.at.length) this.#makeRoom();
    this.at[this.size] = at;
    this.rows.forEach((row, index) => (row[this.size] = values[index]));
    this.size += 1;
  }

  #makeRoom() {
    const half = this.size >> 1;
    const full = this.size === MOST;
    const moved = (old) => {
      if (full) return old.copyWithin(0, half);
      const grown = new Float64Array(old.length * 2);
      grown.set(old);
      return grown;
    };
    this.at = moved(this.at);
    this.rows = this.rows.map(moved);
    if (full) this.size -= half;
  }

  /** The first place whose time is not before `at`. */
  find(at) {
    let low = 0;
    let high = this.size;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.at[middle] < at) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export class VehicleHistory {
  constructor() {
    this.series = new Map();
    this.track = new Series(3); // latitude, longitude, speed
    this.events = [];
    this.rev = 0;
    this.latest = Object.create(null);
  }

  take(event) {
    if (event.type === "snapshot") return;
    this.rev += 1;
    const at = eventTime(event);
    if (event.type === "data") this.#data(event.data, at);
    else this.#note(event, at);
  }

  #data(data, at) {
    Object.assign(this.latest, data);
    for (const name in data) this.#point(name, data[name], at);
    if ("PackCurrent" in data || "PackVoltage" in data) this.#point(POWER, (-this.latest.PackVoltage * this.latest.PackCurrent) / 1000, at);
    const { Location: here } = data;
    if (here) this.track.push(at, here.latitude, here.longitude, this.latest.VehicleSpeed ?? 0);
  }

  #point(name, value, at) {
    let series = this.series.get(name);
    if (typeof value === "boolean") value = value ? "yes" : "no";
    if (typeof value === "string") {
      series ??= this.#series(name);
      series.words ??= [];
      let word = series.words.indexOf(value);
      if (word < 0 && series.words.length < WORDS) word = series.words.push(value) - 1;
      series.push(at, word < 0 ? NaN : word);
    } else if (value === null || Number.isFinite(value)) {
      (series ?? this.#series(name)).push(at, value ?? NaN);
    }
  }

  #series(name) {
    const series = new Series();
    this.series.set(name, series);
    return series;
  }

  #note(event, at) {
    for (const item of event.alerts ?? event.errors ?? [event]) this.events.push({ kind: event.type, at, item });
    this.events.splice(0, this.events.length - EVENTS);
  }
}

/**
 * One vehicle's past: a series of times and values for every field, the track, and what happened to it.
 *
 * Law: a series is bounded (MOST points): a full one lets its older half go. Times are the vehicle's, as far as model/receipt.js
 * trusts them, and in each series they never fall: what comes late is inserted, and what turns out to have been ahead is moved
 * back to the moment at which that shows. Words (enums) become numbers in the order in which they appear, and keep their words for the axis.
 */

import { eventTime, receiptTime, showsAhead } from "./receipt.js";
import { FieldMap, asText, cleanFields, cleanItems, cleanText } from "./values.js";

const MOST = 8192; // two hours of a value a second, 128 KiB
const WORDS = 256; // different texts of one field; an enum has a dozen, and what has more (a title, a route) is no chart
const WORD = 64; // characters of each: an axis shows seven, a chart's heading some forty
const EVENTS = 200; // more than anybody scrolls through
const PLACE_MS = 1000; // a finer place in the log than this cannot be seen
const LEAST_MS = 1e-3; // times are in whole milliseconds
export const POWER = "Power"; // no field of the protocol: voltage times current

export class Series {
  constructor(width = 1) {
    this.size = 0;
    this.at = new Float64Array(256);
    this.rows = Array.from({ length: width }, () => new Float64Array(256));
    this.words = null; // an array: the values are places in it
    this.numeric = false; // whether numbers have been seen: words do not go with them
  }

  push(at, ...values) {
    if (this.size === this.at.length) this.#makeRoom();
    const place = this.size && at < this.at[this.size - 1] ? this.find(at + LEAST_MS) : this.size;
    for (const [row, value] of [[this.at, at], ...this.rows.map((row, index) => [row, values[index]])]) {
      row.copyWithin(place + 1, place, this.size);
      row[place] = value;
    }
    this.size += 1;
  }

  /** Points later than `at` count from that moment on: their times were ahead. */
  bound(at) {
    for (let place = this.size; place-- && this.at[place] > at; ) this.at[place] = at;
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
    this.series = new FieldMap();
    this.track = new Series(3); // latitude, longitude, speed
    this.events = [];
    this.places = new Series(); // of the log: the seq at a time, so that a moment can be asked for
    this.rev = 0;
    this.newest = -Infinity; // the latest time of an event …
    this.bounded = false; // … and whether that event's own was ahead of receipt
    this.latest = new Map([["PackVoltage", NaN], ["PackCurrent", NaN], ["VehicleSpeed", 0]]); // what is shown along with other fields
  }

  /** An event of the log; `received`: when, at the latest, by the server's clock; Infinity if that is not known. */
  take(event, received = Infinity) {
    if (event.type === "snapshot") return;
    this.rev += 1;
    const own = eventTime(event);
    const at = receiptTime(Number.isNaN(own) ? this.newest : own, received);
    if (showsAhead(at, event.isResend, this.newest, this.bounded)) this.#bound(at);
    if (at >= this.newest) Object.assign(this, { newest: at, bounded: own > received });
    this.#place(event.seq, at);
    if (event.type !== "data") this.#note(event, at);
    else if (Number.isFinite(at)) this.#data(event.data, at);
  }

  #place(seq, at) {
    const { places } = this;
    if (Number.isFinite(at) && !(at - places.at[places.size - 1] < PLACE_MS)) places.push(at, seq);
  }

  #bound(at) {
    for (const series of [this.track, this.places, ...this.series.values()]) series.bound(at);
    this.newest = at;
  }

  #data(data, at) {
    const { latest } = this;
    for (const [name, value] of cleanFields(data)) {
      if (latest.has(name)) latest.set(name, value ?? NaN);
      this.#point(name, value, at);
      if (name === "Location" && value) this.track.push(at, value.latitude, value.longitude, latest.get("VehicleSpeed") || 0);
    }
    if ("PackCurrent" in data || "PackVoltage" in data) this.#point(POWER, (-latest.get("PackVoltage") * latest.get("PackCurrent")) / 1000, at);
  }

  #point(name, value, at) {
    if (value === null) this.#series(name)?.push(at, NaN);
    else if (typeof value === "number") this.#number(name, value, at);
    else if (typeof value !== "object") this.#word(name, typeof value === "boolean" ? (value ? "yes" : "no") : cleanText(value, WORD), at);
  }

  #number(name, value, at) {
    const series = this.#series(name);
    if (!series || series.words) return;
    series.numeric = true;
    series.push(at, value);
  }

  #word(name, word, at) {
    const series = this.#series(name);
    if (!series || series.numeric) return;
    series.words ??= [];
    let place = series.words.indexOf(word);
    if (place < 0 && series.words.length < WORDS) place = series.words.push(word) - 1;
    series.push(at, place < 0 ? NaN : place);
  }

  /** The series of a field; undefined if there is no room for another. */
  #series(name) {
    if (!this.series.has(name)) this.series.add(name, new Series());
    return this.series.get(name);
  }

  #note(event, at) {
    const { type } = event;
    const items = type === "connectivity" ? [{ connected: event.status === "CONNECTED", networkInterface: asText(event.networkInterface) }] : cleanItems(event[type]);
    for (const item of items) this.events.push({ kind: type, at, item });
    this.events.splice(0, this.events.length - EVENTS);
  }
}

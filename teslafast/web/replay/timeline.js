/**
 * The slider over the whole log: its left end is the oldest event that the server still has, its right end is now.
 *
 * Law: the slider moves in places of the log (`seq`), because that is what a replay is asked by; what it shows are times. The
 * time of a place is known if the stream has passed it, and read from the log at a few places when somebody reaches for the slider.
 */

import { eventTime } from "../model/receipt.js";
import { readLog } from "../stream/log_reader.js";
import { $, el, setAttr, setText } from "../views/dom.js";
import { formatTime } from "../views/format.js";
import { SPEEDS } from "./replay_clock.js";

const PROBES = 5; // places read for the labels: each costs a connection
const SAMPLE = 99; // events read at each, of which the middle time counts
const SEEK_AFTER_MS = 250; // after the last key: holding an arrow key down is one request
const LEARN_MS = 2500; // after the log is known: when the page has nothing more urgent to read
const TICKS_MS = 10_000; // how often the labels move on
const NOTE_EVERY_MS = 5000; // finer than a pixel of the slider
const MOST_KNOWN = 4096; // then every other one is dropped

export class Timeline {
  /** `on`: { seek(seq), play(), pause(), goLive(), setSpeed(times), token() } */
  constructor(on) {
    this.on = on;
    this.known = []; // [seq, time], both rising
    this.slider = $("moment");
    $("speed").append(...SPEEDS.map((times) => el("option", { value: times }, `${times}×`)));
    $("speed").addEventListener("change", ({ target }) => on.setSpeed(Number(target.value)));
    $("play").addEventListener("click", () => (this.playing ? on.pause() : on.play()));
    $("to-live").addEventListener("click", () => on.goLive());
    this.slider.addEventListener("input", () => this.#drag());
    this.slider.addEventListener("change", () => this.#drop());
    for (const kind of ["pointerdown", "focus"]) this.slider.addEventListener(kind, () => this.#learn());
  }

  /** The speed chosen. */
  get speed() {
    return Number($("speed").value);
  }

  /** The log as it is: its life, the oldest place and the newest. */
  set(epoch, oldest, head) {
    if (this.epoch !== epoch) {
      this.known = [];
      clearTimeout(this.learning);
      this.learning = setTimeout(() => this.#learn(), LEARN_MS);
    }
    Object.assign(this, { epoch, oldest, head: Math.max(head, oldest) });
  }

  /** The log has come to this place; `now`: the server's time, for a car's may be wrong. */
  pass(seq, now) {
    this.head = seq;
    const last = this.known.at(-1);
    if (last && now - last[1] < NOTE_EVERY_MS) return;
    if (this.known.length === MOST_KNOWN) this.known = this.known.filter((_, index) => index % 2);
    this.known.push([seq, now]);
  }

  async #learn() {
    if (this.learnt === this.epoch || !(this.head > this.oldest)) return;
    this.learnt = this.epoch;
    const { epoch, oldest, head } = this;
    for (let step = 0; step < PROBES; step++) {
      const since = Math.floor(oldest + ((head - oldest) * step) / PROBES) - 1;
      const got = await readLog(this.on.token(), { since: Math.max(0, since), epoch }, SAMPLE).catch(() => null);
      if (!got || got.hello.epoch !== this.epoch) return;
      const times = got.events.map(eventTime).filter((time) => !Number.isNaN(time)).sort((a, b) => a - b);
      if (times.length) this.known.push([got.events[0].seq, times[times.length >> 1]]); // one wrong clock does not count
    }
    this.known.sort((a, b) => a[0] - b[0]);
    this.#ticks();
  }

  #ticks() {
    this.tickedAt = performance.now();
    const places = [0, 0.25, 0.5, 0.75].map((share) => Math.round(this.oldest + (this.head - this.oldest) * share));
    $("ticks").replaceChildren(...places.map((seq) => el("span", {}, formatTime(this.timeAt(seq)))), el("span", {}, "now"));
  }

  /** The time at a place of the log, between those that are known. */
  timeAt(seq) {
    const { known } = this;
    const after = known.findIndex(([place]) => place >= seq);
    if (after < 0) return known.length ? known.at(-1)[1] : NaN;
    if (after === 0) return known[0][1];
    const [[fromSeq, from], [toSeq, to]] = [known[after - 1], known[after]];
    return from + ((to - from) * (seq - fromSeq)) / (toSeq - fromSeq);
  }

  #drag() {
    this.dragged = true;
    const seq = Number(this.slider.value);
    this.#showTime(seq >= this.head ? "now" : formatTime(this.timeAt(seq)));
  }

  #drop() {
    clearTimeout(this.dropping);
    this.dropping = setTimeout(() => {
      this.dragged = false;
      const seq = Number(this.slider.value);
      if (seq >= this.head) this.on.goLive();
      else this.on.seek(seq);
    }, SEEK_AFTER_MS);
  }

  #showTime(text) {
    setText($("moment-text"), text);
    setAttr(this.slider, "aria-valuetext", text);
  }

  /** `replay`: the ReplayClock, null when live. */
  render(replay, now) {
    if (this.oldest === undefined) return;
    this.playing = replay ? replay.playing : true;
    setAttr($("time"), "data-mode", replay ? "replay" : "live");
    setAttr($("play"), "aria-label", this.playing ? "Pause" : "Play");
    setAttr($("play-shape"), "d", this.playing ? "M8 5v14M16 5v14" : "M8 5v14l11-7z");
    setAttr($("to-live"), "aria-pressed", String(!replay));
    setText($("to-live"), replay ? "Go live" : document.body.dataset.link === "lost" ? "Offline" : "Now");
    if (performance.now() - this.tickedAt > TICKS_MS) this.#ticks();
    if (this.dragged) return;
    const seq = replay ? replay.seq : this.head;
    setAttr(this.slider, "min", this.oldest);
    setAttr(this.slider, "max", this.head);
    this.slider.value = seq;
    this.slider.style.setProperty("--share", `${((seq - this.oldest) / (this.head - this.oldest || 1)) * 100}%`);
    this.#showTime(!replay ? formatTime(now) : Number.isNaN(replay.time) ? "…" : formatTime(replay.time));
  }
}

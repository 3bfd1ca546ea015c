/**
 * Where the page's events come from: the live stream, or a replay of the log.
 *
 *   Stream ──────┐
 *                ├─▶ Fleet ─▶ requestFrame
 *   ReplayClock ─┘
 *
 * Law: at most one of `stream` and `replay` exists, and a change from one to the other begins with an empty fleet. Live and
 * replay differ in where the events come from and what time it is, and in nothing else.
 */

import { Fleet } from "../model/fleet.js";
import { eventTime } from "../model/receipt.js";
import { Stats } from "../model/stats.js";
import { ReplayClock } from "../replay/replay_clock.js";
import { Clock } from "../stream/clock.js";
import { getJson } from "../stream/http.js";
import { readLog } from "../stream/log_reader.js";
import { Stream } from "../stream/stream.js";
import { notice } from "./notices.js";

const HISTORY = 6000; // events of one vehicle worth reading back
const TRACES = 6000; // events of all vehicles read back for the rows' traces
const HELLO_MS = 100; // how often a vehicle's page asks whether the first hello has come

export class Feed {
  /**
   * token        () => the token to use now
   * timeline     where in the log the page is
   * on           { requestFrame(): there is something to draw, sourceChanged(): a vehicle's past has to be read anew,
   *              state(name, { text, until }), signedOut(text), expiring(exp), renewed(), refused(reason),
   *              known(vins): the vehicles that there were when the page was opened }
   */
  constructor(token, timeline, on) {
    this.token = token;
    this.timeline = timeline;
    this.on = on;
    this.requestFrame = on.requestFrame;
    this.fleet = new Fleet();
    this.clock = new Clock();
    this.stats = new Stats();
    this.stream = null;
    this.replay = null;
    this.state = "idle";
  }

  /** The time at which the page stands: the server's now, or the replay's (NaN until it has begun). */
  now() {
    return this.replay ? this.replay.time : this.clock.now();
  }

  get running() {
    return Boolean(this.stream || this.replay);
  }

  stop() {
    this.#close();
    this.#show("idle");
  }

  #close() {
    this.stream?.close();
    this.replay?.close();
    this.stream = this.replay = null;
  }

  #show(state, detail = {}) {
    this.state = state;
    this.on.state(state, detail);
  }

  #missed({ from, to }) {
    const count = to - from + 1;
    if (count <= 0) return;
    this.stats.missed += count;
    notice(`Missed ${count.toLocaleString()} event${count === 1 ? "" : "s"} (${from} to ${to}): the server no longer has them.`);
  }

  // ---- live

  goLive() {
    this.#close();
    this.fleet = new Fleet();
    this.stream = new Stream(this.token, {}, {
      hello: (hello) => this.#hello(hello),
      event: (event, bytes) => this.#take(event, bytes),
      gap: (gap) => this.#missed(gap),
      expiring: this.on.expiring,
      renewed: this.on.renewed,
      refused: this.on.refused,
      state: (state, detail) => (state === "ended" ? this.on.signedOut(detail.text) : this.#show(state, detail)),
      roundTrip: (ms) => (this.stats.roundTrip = ms),
    });
    this.on.sourceChanged();
  }

  async #hello(hello) {
    const { stream, fleet, stats } = this;
    const again = stream.connects > 1;
    if (again) stats.reconnects += 1;
    if (stream.known !== hello.epoch) fleet.forgetSeqs();
    if (again && stream.known !== hello.epoch) notice("The server started a new log. Earlier events are gone.");
    stream.known = hello.epoch;
    stream.server = hello.server;
    this.timeline.set(hello.epoch, hello.oldest, hello.seq);
    this.clock.keep();
    if (!again) this.#readTraces(hello, fleet);
    const report = await getJson("vehicles", this.token());
    if (report) fleet.applyRegistry(report.vehicles);
    this.requestFrame();
    if (!again && this.stream === stream) this.on.known([...fleet.vehicles.keys()]);
  }

  /** The rows' traces and alerts from the log, so that they need not start empty. */
  async #readTraces(hello, fleet) {
    const since = Math.max(0, hello.oldest - 1, hello.seq - TRACES);
    if (since >= hello.seq) return;
    const got = await readLog(this.token(), { since, epoch: hello.epoch }, TRACES).catch(() => null); // without it they start empty
    for (const event of got?.events ?? []) fleet.recall(event, this.clock.now());
    this.requestFrame();
  }

  #take(event, bytes) {
    const now = this.clock.now();
    this.fleet.take(event, now);
    if (event.type !== "snapshot") {
      const lag = event.type === "data" && !event.isResend ? now - eventTime(event) - this.fleet.vehicle(event.vin).skew : NaN;
      this.stats.event(bytes, Math.max(0, lag));
      this.timeline.pass(event.seq, now);
    }
    this.requestFrame();
  }

  // ---- replay

  /** Replays the log from the place `seq`. */
  seek(seq, playing = this.replay?.playing ?? true) {
    const { epoch, oldest, speed } = this.timeline;
    this.#close();
    const fleet = new Fleet();
    fleet.inherit(this.fleet);
    this.fleet = fleet;
    const replay = new ReplayClock(this.token, { seq, oldest, epoch }, {
      event: (event) => {
        const runUp = Number.isNaN(replay.time);
        fleet.take(event, runUp ? eventTime(event) : replay.time);
        if (!runUp) this.stats.event(0, NaN);
      },
      hello: (hello) => (hello.epoch === epoch ? this.timeline.set(epoch, hello.oldest, hello.seq) : this.goLive()),
      gap: (gap) => this.#missed(gap),
      failed: ({ refused, text }) => (refused ? this.on.signedOut(refused) : notice(text)),
      caughtUp: () => this.goLive(),
    });
    Object.assign(replay, { speed, playing });
    this.replay = replay;
    this.#show("replay");
    this.on.sourceChanged();
    this.requestFrame();
  }

  play() {
    this.replay.playing = true;
  }

  /** A live page has nothing to hold still: it becomes a replay of the newest event. */
  pause() {
    if (this.replay) this.replay.playing = false;
    else this.seek(this.timeline.head, false);
  }

  setSpeed(times) {
    if (this.replay) this.replay.speed = times;
  }

  // ---- one vehicle's past

  /**
   * Feeds a vehicle's history from wherever the events come just now; what is returned ends that with `close()`.
   * `again()` is called where that cannot be known yet: the log's place is known from the first hello on.
   */
  follow(vin, history, again) {
    const take = (event) => {
      const now = this.now();
      history.take(event, Number.isNaN(now) ? Infinity : now); // while a replay runs up, no receipt is known
      this.requestFrame();
    };
    const { replay, stream, timeline } = this;
    const events = HISTORY * Math.max(1, this.fleet.vehicles.size);
    if (replay) {
      const queue = replay.follow(vin, events, take);
      return { close: () => replay.leave(queue) };
    }
    if (!stream?.known) {
      const timer = setTimeout(again, HELLO_MS);
      return { close: () => clearTimeout(timer) };
    }
    const since = Math.max(0, timeline.oldest - 1, timeline.head - events);
    return new Stream(this.token, { vin, since, epoch: stream.known }, { event: take });
  }
}

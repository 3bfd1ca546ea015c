/**
 * The events of a replay that wait for their time: read ahead from the log, given out in its order.
 *
 *   readLog ──▶ buffer (AHEAD events) ──▶ advance(now): those whose time has come ──▶ on.event
 *
 * Law: events come in the log's order, none twice, none left out but those that the log no longer has. An event is due at the
 * earliest time found in the next LOOK of them: so a car whose clock is ahead does not hold the others up, and one that is late
 * is not waited for.
 */

import { eventTime } from "../model/receipt.js";
import { readLog } from "../stream/log_reader.js";

const AHEAD = 4000; // events read in one page
const LOW = 400; // the next page is read when so few are left …
const LOW_MS = 4000; // … or so little time
const LOOK = 32; // enough to see past one vehicle's burst, few enough to search for each event
const POLL_MS = 1000; // at the log's end: how often it is looked at for more
const AGAIN_MS = 3000; // after a failure
const BUDGET_MS = 8; // of work in one call of advance: half a frame …
const RUN_UP_MS = 60; // … and while the time is not yet set, when there is nothing else to see

export class EventQueue {
  /**
   * token    () => the token to use now
   * start    { since, epoch, vin, most }: the place after which to begin, and how much to read at first; the last two may be absent
   * on       { event(message), hello(message), gap(message), failed({ refused, text }) }; all but event may be absent
   */
  constructor(token, start, on) {
    this.token = token;
    this.vin = start.vin ?? null;
    this.epoch = start.epoch;
    this.readTo = start.since;
    this.seq = start.since;
    this.on = on;
    this.most = start.most ?? AHEAD;
    this.buffer = [];
    this.at = 0;
    this.atEnd = false;
    this.dry = false;
    this.readAt = 0;
    this.#fill();
  }

  close() {
    this.closed = true;
  }

  /** Whether it has nothing to give, but knows that there is more. */
  get starving() {
    return this.at >= this.buffer.length && !this.atEnd;
  }

  /** Whether all has been given, and the last look at the log brought nothing more. */
  get spent() {
    return this.at >= this.buffer.length && this.dry;
  }

  /** The time at which the next event is due; null if there is none at hand. */
  get due() {
    let due = Infinity;
    const end = Math.min(this.buffer.length, this.at + LOOK);
    for (let index = this.at; index < end; index++) if (this.buffer[index].due < due) due = this.buffer[index].due;
    return due === Infinity ? null : due;
  }

  /** Gives what is due at `now` (ms), and, whatever its time, all up to the place `seq`. Returns false if time ran out on it. */
  advance(now, seq = 0, rate = 1) {
    const until = performance.now() + (Number.isNaN(now) ? RUN_UP_MS : BUDGET_MS);
    while (this.at < this.buffer.length) {
      const { event } = this.buffer[this.at];
      const { due } = this;
      if (event.seq > seq && due !== null && !(due <= now)) break; // a clock not yet set (NaN) holds everything back
      this.at += 1;
      this.seq = event.seq;
      this.on.event(event);
      if (performance.now() > until) return false;
    }
    const left = this.buffer.length - this.at;
    const lastDue = left ? this.buffer[this.buffer.length - 1].due : now;
    if ((!this.atEnd && left < LOW) || lastDue - now < LOW_MS * rate) this.#fill();
    return true;
  }

  async #fill() {
    const pause = this.failed ? AGAIN_MS : this.atEnd ? POLL_MS : 0;
    if (this.reading || this.closed || performance.now() - this.readAt < pause) return;
    this.reading = true;
    try {
      this.#take(await readLog(this.token(), { vin: this.vin, since: this.readTo, epoch: this.epoch }, this.most));
      this.most = AHEAD;
      this.failed = false;
    } catch (why) {
      this.failed = true;
      if (!this.closed) this.on.failed?.(why);
    }
    this.reading = false;
    this.readAt = performance.now();
  }

  #take({ events, hello, gap, atEnd }) {
    if (this.closed) return;
    this.on.hello?.(hello);
    if (gap) this.on.gap?.(gap);
    this.buffer = this.buffer.slice(this.at);
    this.at = 0;
    for (const event of events) if (event.seq > this.readTo) this.buffer.push({ event, due: eventTime(event) });
    this.dry = atEnd && this.buffer.length === 0;
    this.readTo = Math.max(this.readTo, gap?.to ?? 0, events.at(-1)?.seq ?? 0);
    if (atEnd && !this.vin) this.readTo = Math.max(this.readTo, hello.seq);
    this.atEnd = atEnd;
  }
}

/**
 * The clock of a replay: its time, its speed, and the queues that run on it.
 *
 * Law: time stands still while a queue that has more to give is still reading it. A replay is slow rather than wrong. Where nothing
 * happened for IDLE_MS the clock leaps to just before the next event.
 */

import { eventTime } from "../model/receipt.js";
import { EventQueue } from "./event_queue.js";

export const SPEEDS = [1, 2, 5, 10, 30, 60];
const IDLE_MS = 20_000; // a silence longer than this is skipped …
const RUN_UP_MS = 1000; // … but for so much before the next event
const PREROLL = 12_000; // events read before the moment asked for, so that what had been said before it is known
const CAUGHT_UP_MS = 2500; // nearer to the present than this is live: messages take about so long
const RECENT = 9; // an odd number, so that there is a middle one

export class ReplayClock {
  /**
   * token    () => token;   place: { seq, oldest, epoch }: the moment to begin at, and the log it is in
   * on       as EventQueue's, and caughtUp(): there is nothing left to replay
   */
  constructor(token, place, on) {
    this.token = token;
    this.place = place;
    this.on = on;
    this.speed = 1;
    this.playing = true;
    this.time = NaN; // until the run-up has been played
    this.recent = []; // times of the last events of the run-up
    this.queues = new Set();
    this.main = this.#queue(null, PREROLL, { ...on, event: (event) => this.#event(event) });
  }

  /** The seq of the last event played. */
  get seq() {
    return Math.max(this.main.seq, this.place.seq);
  }

  /** A second queue on the same clock, of one vehicle alone, run up from as far back as `events` of the whole log. */
  follow(vin, events, onEvent) {
    return this.#queue(vin, events, { event: onEvent });
  }

  leave(queue) {
    queue.close();
    this.queues.delete(queue);
  }

  close() {
    for (const queue of this.queues) queue.close();
    this.queues.clear();
  }

  #queue(vin, events, on) {
    const { seq, oldest, epoch } = this.place;
    const start = vin && this.main ? this.seq : seq;
    const queue = new EventQueue(this.token, { vin, since: Math.max(oldest - 1, start - events, 0), epoch, most: PREROLL }, on);
    this.queues.add(queue);
    return queue;
  }

  #event(event) {
    const time = eventTime(event);
    if (Number.isNaN(this.time) && !Number.isNaN(time)) this.recent = [...this.recent.slice(1 - RECENT), time];
    this.on.event(event);
  }

  /** The latest time known at the moment asked for, but for cars whose clock is far from most others'. NaN: none was. */
  #begin() {
    const sorted = this.recent.sort((a, b) => a - b);
    const middle = sorted[sorted.length >> 1] ?? this.main.due ?? NaN;
    return sorted.findLast((time) => time < middle + IDLE_MS) ?? middle;
  }

  /** `passed`: ms since the last call; `present`: the time now. */
  tick(passed, present) {
    const { main } = this;
    const kept = main.advance(this.time, this.place.seq, this.speed);
    for (const queue of this.queues) if (queue !== main) queue.advance(this.time, 0, this.speed);
    if (Number.isNaN(this.time)) {
      if (main.seq >= this.place.seq || main.spent) this.time = this.#begin();
      if (main.spent) this.on.caughtUp();
      return;
    }
    if (!this.playing || !kept || main.starving) return;
    this.time += passed * this.speed;
    if (main.due > this.time + IDLE_MS) this.time = main.due - RUN_UP_MS;
    if (main.spent || this.time > present - CAUGHT_UP_MS) this.on.caughtUp();
  }
}

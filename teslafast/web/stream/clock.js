/**
 * What time it is: the server's, as near as it can be known here.
 *
 * A browser's clock may be wrong by hours, and so may a car's. The server's is taken as the present: `/health` tells it, half a
 * round trip ago. A car whose messages seem to come from the future, or from long ago, has a `skew` of its own (fleet.js).
 */

import { told } from "./backoff.js";

const EVERY_MS = 60_000;

export class Clock {
  constructor() {
    this.ahead = 0; // ms by which this browser's clock is ahead of the server's
    this.trip = NaN; // ms there and back, over a connection of its own
    this.health = null;
  }

  now() {
    return Date.now() - this.ahead;
  }

  /** Sets itself by the server's clock now, and every minute. */
  async keep() {
    clearTimeout(this.timer);
    await this.set();
    this.timer = setTimeout(() => this.keep(), EVERY_MS);
  }

  async set() {
    const sent = performance.now();
    const health = await told("/health");
    if (!health) return;
    this.health = health;
    this.trip = performance.now() - sent;
    if (this.health.time_ms) this.ahead = Date.now() - this.trip / 2 - this.health.time_ms;
  }
}

/**
 * The server's clock, as near as it can be known here.
 *
 * A browser's clock may be wrong by hours, and so may a vehicle's. Law: the server's is the present. `/health` tells it, half a
 * round trip ago. A vehicle whose messages seem to come from the future, or from long ago, has a `skew` of its own
 * (model/fleet.js).
 */

import { getJson } from "./http.js";

const EVERY_MS = 60_000; // clocks drift by milliseconds in a minute

export class Clock {
  constructor() {
    this.ahead = 0; // ms by which this browser's clock is ahead of the server's
    this.roundTrip = NaN; // ms to the server and back, over a connection of its own
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
    const health = await getJson("health");
    if (!health) return;
    this.health = health;
    this.roundTrip = performance.now() - sent;
    if (this.health.time_ms) this.ahead = Date.now() - this.roundTrip / 2 - this.health.time_ms;
  }
}

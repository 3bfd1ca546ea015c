/**
 * How long to wait before the next try.
 *
 * Law: doubling from FIRST_MS to MOST_MS, each wait drawn between its half and its whole, so that a thousand pages do not come
 * back to a restarted server in the same instant. Pure: chance is an argument.
 */

const FIRST_MS = 500;
const MOST_MS = 15_000; // somebody who looks at the page does not wait longer than this

/** ms before try number `attempt` (0, 1, …); `least`: what the server asked for. */
export function retryDelay(attempt, least = 0, chance = Math.random()) {
  const whole = Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(attempt, 10));
  return Math.max(least, whole * (0.5 + chance / 2));
}

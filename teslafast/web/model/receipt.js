/**
 * The rule of time, for everything on the page: a vehicle's time orders what it reports only as far as the moment of receipt.
 *
 * An event, as JSON.parse gives it (docs/stream.md), has a `seq`, its place in the log, and `createdAt`, when the vehicle made it,
 * by the vehicle's own clock. Many vehicles wake with a clock that is minutes ahead, some are years ahead. A time ahead of receipt is no time: it
 * counts as that moment, and whatever arrives later and is not a re-send wins over it. So it is with a snapshot, whose one time is
 * the latest of many. The log keeps no receipt, but its order: an event that is earlier than those before it, and no re-send, shows
 * that these were ahead.
 */

const MOMENT_MS = 10_000; // by so much messages overtake each other on two ways; more is a clock

/** The time (ms since 1970) that an event gives itself; NaN if it gives none. */
export const eventTime = (event) => Date.parse(event.createdAt);

/** When a report counts that says `at` and was received at `received`. */
export const receiptTime = (at, received) => (at <= received ? at : received);

/** Whether a report that counts at `at` replaces what is `known`: { at, bounded }; `bounded`: that is the latest time it can have. */
export const outranks = (at, isResend, known) => at >= known.at || (known.bounded && !isResend);

/**
 * Whether an event at `at` shows that what stands before it in the log was ahead of its receipt.
 *
 * newest     the latest time before it;  bounded: whether that was ahead of receipt itself, and so is known to be wrong
 */
export const showsAhead = (at, isResend, newest, bounded) => !isResend && at < newest - (bounded ? 0 : MOMENT_MS);

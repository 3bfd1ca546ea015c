/**
 * The rule of time, for everything on the page: a vehicle's time orders what it reports only as far as the moment of receipt.
 *
 * Many vehicles wake with a clock that is minutes ahead, and some are years ahead. A time ahead of its receipt is no time: it
 * counts as that moment, and whatever arrives later and is not a re-send wins over it. So does it over a snapshot, which has one
 * time for many values: each of them is at most so new. In the log, which keeps no receipt, order stands for it: an event that is
 * earlier than those before it, and no re-send, shows that these were ahead.
 */

const MOMENT_MS = 10_000; // by so much messages overtake each other on two ways; more is a clock

/** When a report counts that says `at` and was received at `received` (ms since 1970); without a time, it is that moment. */
export const receiptTime = (at, received) => (at <= received ? at : received);

/**
 * Whether a report replaces what is `known`: { at, bounded }; `bounded`: its time is only the latest that it can be.
 *
 * at     as receiptTime gives it
 */
export const outranks = (at, isResend, known) => at >= known.at || (known.bounded && !isResend);

/** Whether an event at `at` shows that what stands before it in the log, up to `newest`, was ahead of its receipt. */
export const showsAhead = (at, isResend, newest) => !isResend && at < newest - MOMENT_MS;

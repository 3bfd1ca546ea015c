/**
 * An event of the stream, as JSON.parse gives it: { seq, type, vin, createdAt, … } (docs/stream.md).
 *
 * Law: `seq` says where an event stands in the log, `createdAt` when the vehicle made it, by the vehicle's own clock. The two
 * need not agree: a vehicle's clock may be wrong, and a message may be late.
 */

/** The time (ms since 1970) that an event gives itself; NaN if it gives none. */
export const eventTime = (event) => Date.parse(event.createdAt);

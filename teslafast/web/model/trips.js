/**
 * The drives and charges in a vehicle's past, found by its gear and its charge state.
 *
 * A drive is from the first D, R or N until a P that lasts: a stop shorter than STOP_MS belongs to it, unless the car charges there.
 * A charge is while the charge state says so. Law: pure, and made anew from the whole history each time: some hundred steps.
 */

const STOP_MS = 180_000;
const LEAST_DRIVE_MS = 30_000; // shorter ones are somebody who moved the car out of the way
const CHARGING = /(?:ing)$/; // Charging, Starting
const MOVING = /[DRN]$/;

/** [from, to] of each stretch of a series of words for which `holds`; `to` is NaN if it goes on. */
function stretches(series, holds) {
  const found = [];
  let from = NaN;
  for (let index = 0; index < (series?.size ?? 0); index++) {
    const word = series.words?.[series.rows[0][index]] ?? "";
    const on = holds.test(word);
    if (on && Number.isNaN(from)) from = series.at[index];
    if (!on && !Number.isNaN(from)) {
      found.push([from, series.at[index]]);
      from = NaN;
    }
  }
  if (!Number.isNaN(from)) found.push([from, NaN]);
  return found;
}

/** Joins stretches that less than `most` ms lie between, and none of `others` begins. */
function joined(list, most, others) {
  const found = [];
  for (const [from, to] of list) {
    const last = found.at(-1);
    if (last && from - last[1] < most && !others.some(([at]) => at >= last[1] && at < from)) last[1] = to;
    else found.push([from, to]);
  }
  return found;
}

/** The last number that a series had by `at`; NaN if none. */
function valueAt(series, at) {
  if (!series || series.words) return NaN;
  for (let place = series.find(at + 1) - 1; place >= 0; place--) if (!Number.isNaN(series.rows[0][place])) return series.rows[0][place];
  return series.size ? series.rows[0][0] : NaN;
}

/** The greatest number that a series had in between; NaN if none. */
function greatest(series, from, to) {
  if (!series || series.words) return NaN;
  let most = NaN;
  for (let place = series.find(from); place < series.size && series.at[place] <= to; place++) if (!(series.rows[0][place] <= most)) most = series.rows[0][place];
  return most;
}

/**
 * Newest first: { kind: "drive" | "charge", from, to, seq, miles, soc: [at its start, at its end], mph, kw }.
 *
 * from, to    ms since 1970; `to` is NaN while it goes on
 * seq         the place of the log just before it began
 * mph, kw     the greatest; numbers that are not known are NaN
 */
export function findTrips({ series, places, newest }) {
  const get = (...names) => names.map((name) => series.get(name)).find((one) => one?.size);
  const soc = get("Soc", "BatteryLevel");
  const trip = (kind) => ([from, to]) => {
    const end = Number.isNaN(to) ? newest : to;
    const place = Math.max(0, places.find(from) - 1);
    return {
      kind, from, to,
      seq: places.rows[0][place],
      miles: valueAt(get("Odometer"), end) - valueAt(get("Odometer"), from),
      soc: [valueAt(soc, from), valueAt(soc, end)],
      mph: greatest(get("VehicleSpeed"), from, end),
      kw: Math.max(...["DCChargingPower", "ACChargingPower"].map((name) => greatest(get(name), from, end)).filter((kw) => !Number.isNaN(kw)), -Infinity),
    };
  };
  const long = ([from, to]) => !(to - from < LEAST_DRIVE_MS);
  const charges = stretches(get("DetailedChargeState", "ChargeState"), CHARGING);
  const drives = joined(stretches(get("Gear"), MOVING), STOP_MS, charges).filter(long);
  return places.size ? [...drives.map(trip("drive")), ...charges.map(trip("charge"))].sort((a, b) => b.from - a.from) : [];
}

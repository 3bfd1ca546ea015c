/**
 * The drives and charges of a vehicle, to choose one to see again.
 *
 * Law: what was found while the page was live stays through a replay, which knows the past only up to its moment.
 */

import { findTrips } from "../model/trips.js";
import { $, el, icon, setAttr } from "./dom.js";
import { formatDay, formatMinute, formatQuantity, formatSpan } from "./format.js";

const EVERY_MS = 2000; // they change by the minute
const MOST = 60; // more than anybody scrolls through
const ICONS = { drive: "M5 17V9l2-4h10l2 4v8M5 12h14M7 17v2M17 17v2", charge: "M13 3 5 14h6l-1 7 8-11h-6z" };

export class TripList {
  /** `seek(seq)`: replays the log from there. */
  constructor(seek) {
    this.seek = seek;
    this.clear();
  }

  clear() {
    this.trips = [];
    this.rows = [];
    this.foundAt = -Infinity;
    $("trips").replaceChildren();
    $("trips-card").hidden = true;
  }

  /** `history`: the vehicle's; `replaying`: whether that ends at a moment of the past; `now`: the moment that is shown. */
  render(history, replaying, now) {
    if (performance.now() - this.foundAt > EVERY_MS && !(replaying && this.trips.length)) {
      this.foundAt = performance.now();
      const trips = findTrips(history).slice(0, MOST);
      if (JSON.stringify(trips) !== JSON.stringify(this.trips)) this.#lay(trips, now);
    }
    for (const { node, trip } of this.rows) setAttr(node, "aria-current", replaying && now >= trip.from && !(now > trip.to) ? "true" : "false");
  }

  #lay(trips, now) {
    this.trips = trips;
    this.rows = trips.map((trip) => ({ trip, node: el("button", { click: () => this.seek(trip.seq) }, icon(ICONS[trip.kind]), ...describe(trip, now)) }));
    const focused = [...$("trips").querySelectorAll("button")].indexOf(document.activeElement);
    $("trips").replaceChildren(...this.rows.map(({ node, trip }) => el("li", { "data-kind": trip.kind }, node)));
    this.rows[focused]?.node.focus();
    $("trips-card").hidden = !trips.length;
  }
}

function describe({ kind, from, to, miles, soc, mph, kw }, now) {
  const going = Number.isNaN(to);
  const name = `${kind === "drive" ? "Drive" : "Charge"}, ${formatSpan((going ? now : to) - from)}`;
  const [first, last] = soc.map(Math.round);
  const parts = [
    kind === "drive" && miles > 0 && formatQuantity("distance", miles, 1),
    kind === "drive" && mph > 0 && `up to ${formatQuantity("speed", mph)}`,
    kind === "charge" && kw > 0 && `up to ${formatQuantity("power", kw, 0)}`,
    !Number.isNaN(first + last) && `${first} → ${last}%`,
  ];
  const day = formatDay(from, now);
  return [el("b", {}, name), el("time", {}, `${day && `${day} `}${formatMinute(from)}${going ? " – now" : `–${formatMinute(to)}`}`), el("span", {}, parts.filter(Boolean).join(" · "))];
}

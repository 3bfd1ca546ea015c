/**
 * The fleet as rows, of which only those in sight exist.
 *
 * Law: row `i` of the order is always drawn by the element `i % pool.length`, so scrolling moves few elements, and the focus stays on
 * its element while the keyboard walks. A row is rewritten when its vehicle's `rev` has risen or a second has passed, a cell
 * only if its text is another, and its trace once a second. The order is made anew now and then, but not under a pointer or the keyboard. Until the reader has
 * chosen, rows are as high as lets all of them be in sight, between the least and the greatest height that fleet.css names.
 */

import { $, el, icon, setAttr, setText } from "./dom.js";
import { convert, formatAge, formatPlace, formatQuantity } from "./format.js";
import { browserStore } from "./storage.js";
import { TRACE_MPH, drawTrace } from "./trace.js";

const SPARE = 4; // rows beyond the edge of what is seen
const REORDER_MS = 2000;
const DENSE_PX = 38; // lower rows have one line
const KEY = "teslafast.rows";

const text = new Intl.Collator(undefined, { numeric: true }).compare;
const ORDER = ["driving", "charging", "parked", "offline"];
const TITLES = { driving: "Driving", charging: "Charging", parked: "Parked", offline: "Offline" };

// name, title, what to sort by (a pair's lesser comes first), which way first
const COLUMNS = [
  { id: "name", title: "Vehicle", by: (a, b) => text(a.name, b.name) || text(a.vin, b.vin) },
  { id: "state", title: "State", by: (a, b, now) => ORDER.indexOf(a.condition(now)) - ORDER.indexOf(b.condition(now)) },
  { id: "charge", title: "Charge", by: (a, b) => (a.charge ?? -1) - (b.charge ?? -1) },
  { id: "speed", title: "Speed", by: (a, b) => (b.value("VehicleSpeed") ?? -1) - (a.value("VehicleSpeed") ?? -1) },
  { id: "gear", title: "Gear", by: (a, b) => text(a.gear, b.gear) },
  { id: "place", title: "Location", by: (a, b) => text(where(a), where(b)) },
  { id: "trace", title: "Last 2 minutes" },
  { id: "heard", title: "Heard", by: (a, b) => b.heard - a.heard },
];

const FILTERS = [
  ["All", () => true],
  ["Driving", (vehicle, condition) => condition === "driving"],
  ["Charging", (vehicle, condition) => condition === "charging"],
  ["Parked", (vehicle, condition) => condition === "parked"],
  ["Offline", (vehicle, condition) => condition === "offline"],
  ["Alerts", (vehicle) => vehicle.alerts.size > 0],
];

function where(vehicle) {
  for (const name of ["Home", "Work", "Favorite"]) if (vehicle.value(`LocatedAt${name}`)) return name;
  const to = vehicle.value("DestinationName");
  if (to && vehicle.gear !== "P") return `To ${to}`;
  const here = vehicle.value("Location");
  return here ? formatPlace(here, 2) : "–";
}

export class FleetTable {
  /** `feed`: { fleet, now(), requestFrame() }; `on`: { open(vin): a row was chosen, point(vin or null): a pointer is on it } */
  constructor(feed, on) {
    this.feed = feed;
    this.open = on.open;
    this.on = on;
    this.density = browserStore.get(KEY); // "compact" | "roomy", null until it was chosen
    this.sort = { column: COLUMNS[0], down: false };
    this.filter = FILTERS[0];
    this.words = "";
    this.order = [];
    this.pool = [];
    this.active = 0;
    this.body = $("grid-body");
    this.space = $("grid-space");
    this.#head();
    this.body.addEventListener("scroll", () => this.feed.requestFrame(), { passive: true });
    this.body.addEventListener("keydown", (event) => this.#key(event));
    this.body.addEventListener("pointerenter", () => (this.held = true));
    this.body.addEventListener("pointerleave", () => {
      this.held = false;
      on.point(null);
    });
    $("density").addEventListener("click", () => this.#choose(this.dense ? "roomy" : "compact"));
    $("search").addEventListener("input", ({ target }) => this.#refine(() => (this.words = target.value.trim().toLowerCase())));
  }

  #head() {
    this.heads = COLUMNS.map((column) => {
      const title = column.by ? el("button", { click: () => this.#sortBy(column) }, column.title) : column.title;
      return el("div", { role: "columnheader", class: column.id }, title);
    });
    $("grid-head").append(...this.heads);
    this.chips = FILTERS.map((filter) => {
      const count = el("b", {}, "0");
      const chip = el("button", { "aria-pressed": "false", click: () => this.#refine(() => (this.filter = filter)) }, filter[0], count);
      return { chip, count };
    });
    $("chips").append(...this.chips.map(({ chip }) => chip));
  }

  #choose(density) {
    this.density = density;
    browserStore.set(KEY, density);
    this.refresh();
    this.feed.requestFrame();
  }

  #sortBy(column) {
    const same = this.sort.column === column;
    this.#refine(() => (this.sort = { column, down: same && !this.sort.down }));
  }

  #refine(change) {
    change();
    this.active = 0;
    this.body.scrollTop = 0;
    this.reorder();
  }

  /** The next frame makes the order anew. */
  reorder() {
    this.orderedAt = -Infinity;
    this.feed.requestFrame();
  }

  #key(event) {
    const page = Math.max(1, Math.floor(this.body.clientHeight / this.height) - 1);
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[event.key];
    if (event.key === "Enter" && this.order[this.active]) this.open(this.order[this.active].vin);
    if (step === undefined || !this.order.length) return;
    event.preventDefault();
    this.active = Math.min(this.order.length - 1, Math.max(0, this.active + step));
    const top = this.active * this.height;
    if (top < this.body.scrollTop) this.body.scrollTop = top;
    else if (top + this.height > this.body.scrollTop + this.body.clientHeight) this.body.scrollTop = top + this.height - this.body.clientHeight;
    this.render(this.feed.now());
    this.pool[this.active % this.pool.length].row.focus({ preventScroll: true });
  }

  // ---- the order

  #arrange(now) {
    const at = performance.now();
    const { fleet } = this.feed;
    const busy = this.held || this.body.contains(document.activeElement);
    const same = this.orderedRev === fleet.rev && this.ordered === fleet && this.orderedAt !== -Infinity;
    if (same && at - this.orderedAt < REORDER_MS) return undefined;
    if (this.ordered === fleet && at - this.orderedAt < 100) return this.feed.requestFrame(); // vehicles that come in crowds
    this.orderedAt = at;
    this.orderedRev = fleet.rev;
    this.ordered = fleet;
    const fitting = this.#count(fleet, now);
    if (same && busy) return undefined;
    const { column, down } = this.sort;
    const fits = (vehicle) => !this.words || `${vehicle.name} ${vehicle.vin}`.toLowerCase().includes(this.words);
    this.order = fitting.filter(fits).sort((a, b) => (down ? -1 : 1) * column.by(a, b, now) || text(a.vin, b.vin));
    this.heads.forEach((head, index) => setAttr(head, "aria-sort", COLUMNS[index] === column && (down ? "descending" : "ascending")));
    setAttr($("grid"), "aria-rowcount", String(this.order.length + 1));
    const known = fleet.vehicles.size;
    setText($("fleet-title"), known === 1 ? "1 vehicle" : `${known} vehicles`);
    $("fleet-empty").hidden = this.order.length > 0;
    $("fleet-none").hidden = known === 0;
    $("fleet-first").hidden = known > 0;
    return undefined;
  }

  /** Shows how many vehicles each filter lets through; returns those that pass the chosen one. */
  #count(fleet, now) {
    const passing = FILTERS.map(() => []);
    for (const vehicle of fleet.vehicles.values()) {
      const condition = vehicle.condition(now);
      FILTERS.forEach(([, passes], index) => passes(vehicle, condition) && passing[index].push(vehicle));
    }
    this.chips.forEach(({ chip, count }, index) => {
      setText(count, String(passing[index].length));
      setAttr(chip, "aria-pressed", String(FILTERS[index] === this.filter));
    });
    return passing[FILTERS.indexOf(this.filter)];
  }

  // ---- the rows

  render(now) {
    this.#arrange(now);
    const seen = this.body.clientHeight;
    if (!this.height || this.seen !== seen || this.count !== this.order.length) this.#measure(seen);
    this.space.style.height = `${this.order.length * this.height}px`;
    const first = Math.max(0, Math.min(Math.floor(this.body.scrollTop / this.height) - SPARE, this.order.length - this.pool.length));
    const second = Math.floor(now / 1000);
    this.active = Math.min(this.active, Math.max(0, this.order.length - 1));
    const top = Math.floor(this.body.scrollTop / this.height);
    const reachable = this.active >= first && this.active < first + this.pool.length ? this.active : top;
    for (let index = first; index < first + this.pool.length; index++) {
      const line = this.pool[index % this.pool.length];
      const vehicle = this.order[index];
      line.row.hidden = !vehicle;
      if (!vehicle) continue;
      setAttr(line.row, "tabindex", index === reachable ? "0" : "-1");
      if (line.index !== index) {
        line.index = index;
        line.row.style.transform = `translateY(${index * this.height}px)`;
        setAttr(line.row, "aria-rowindex", String(index + 2));
      }
      if (line.vehicle === vehicle && line.rev === vehicle.rev && line.second === second) continue;
      if (line.vehicle !== vehicle || line.second !== second) drawTrace(line.trace, this.traceSize, vehicle, now);
      Object.assign(line, { vehicle, rev: vehicle.rev, second });
      this.#fill(line, vehicle, now);
    }
  }

  #measure(seen) {
    const height = this.#fitting(seen);
    const same = this.seen === seen && this.height === height;
    Object.assign(this, { seen, height, count: this.order.length });
    if (same) return;
    this.dense = height < DENSE_PX;
    this.body.style.setProperty("--height", `${height}px`);
    setAttr($("grid"), "data-dense", this.dense);
    setAttr($("density"), "aria-pressed", String(this.dense));
    const wanted = Math.ceil(seen / height) + 2 * SPARE;
    while (this.pool.length < wanted) this.pool.push(this.#line());
    this.pool.forEach((line) => (line.index = line.vehicle = undefined)); // another size of pool: other elements' turns
    const { row, trace } = this.pool[0];
    row.hidden = false; // what is hidden has no size
    this.traceSize = [trace.clientWidth, trace.clientHeight];
    $("grid").style.setProperty("--bar", `${this.body.offsetWidth - this.body.clientWidth}px`);
  }

  /** The height of a row: the reader's choice, or what lets all be in sight. */
  #fitting(seen) {
    const style = getComputedStyle(this.body);
    const [least, most] = ["--row-least", "--row"].map((name) => Number.parseFloat(style.getPropertyValue(name)));
    if (this.density) return this.density === "compact" ? least : most;
    return Math.min(most, Math.max(least, Math.floor(seen / Math.max(1, this.order.length))));
  }

  #line() {
    const line = { trace: el("canvas", { "aria-hidden": "true" }) };
    const span = (name, attributes) => (line[name] = el("span", attributes));
    const inside = {
      name: [el("span", { class: "dot" }), el("span", { class: "who" }, span("name"), span("vin", { class: "vin" })), span("alerts", { class: "alerts" })],
      charge: [el("span", { class: "battery", "aria-hidden": "true" }, span("fill")), span("charge"), icon("M7 0 1 9h4l-1 7 7-10H7z", { viewBox: "0 0 12 16", class: "bolt" })],
      trace: [line.trace],
    };
    const row = el("div", { role: "row", class: "line" },
      ...COLUMNS.map(({ id }) => el("div", { role: "gridcell", class: id }, ...(inside[id] ?? [span(id)]))));
    line.row = row;
    row.addEventListener("click", () => line.vehicle && this.open(line.vehicle.vin));
    row.addEventListener("pointerenter", () => this.on.point(line.vehicle?.vin ?? null));
    row.addEventListener("focus", () => (this.active = line.index));
    this.space.append(row);
    return line;
  }

  #fill(line, vehicle, now) {
    const condition = vehicle.condition(now);
    setAttr(line.row, "data-state", condition);
    setAttr(line.row, "data-stale", vehicle.stale(now));
    setText(line.name, vehicle.name);
    setText(line.vin, vehicle.name === vehicle.vin ? "" : vehicle.vin);
    setAttr(line.row, "data-marked", vehicle.vin === this.marked);
    setText(line.alerts, vehicle.alerts.size ? `${vehicle.alerts.size} alert${vehicle.alerts.size > 1 ? "s" : ""}` : "");
    setAttr(line.alerts, "title", [...vehicle.alerts.keys()].join(", "));
    const kw = vehicle.chargingPower;
    setText(line.state, condition === "charging" && kw ? `Charging ${kw.toFixed(0)} kW` : TITLES[condition]);
    const { charge } = vehicle;
    line.fill.style.transform = `scaleX(${(charge ?? 0) / 100})`;
    setAttr(line.fill, "data-low", charge < 20);
    setText(line.charge, formatQuantity("percent", charge));
    setText(line.speed, condition === "driving" || vehicle.speed > 0 ? formatQuantity("speed", vehicle.speed) : "–");
    setText(line.gear, vehicle.gear.length === 1 ? vehicle.gear : "–");
    setText(line.place, where(vehicle));
    setText(line.heard, vehicle.heard ? formatAge(now - vehicle.heard) : "–");
  }

  /** Marks a vehicle's row (null: none), because a pointer is on it elsewhere. */
  mark(vin) {
    for (const one of [this.marked, vin]) this.pool.filter(({ vehicle }) => vehicle?.vin === one).forEach((line) => (line.rev = -1));
    this.marked = vin;
    this.feed.requestFrame();
  }

  /** The vehicle so many rows after this one in the present order; null if there is none. */
  neighbour(vin, step) {
    return this.order[this.order.findIndex((vehicle) => vehicle.vin === vin) + step]?.vin ?? null;
  }

  /** Everything is drawn anew: another theme, other units, another size. */
  refresh() {
    for (const line of this.pool) line.second = -1;
    this.height = 0;
    const { value, unit } = convert("speed", TRACE_MPH);
    setText(this.heads[COLUMNS.findIndex(({ id }) => id === "trace")], `Last 2 min, 0–${Math.round(value / 10) * 10} ${unit}`);
  }
}

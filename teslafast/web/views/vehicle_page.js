/**
 * One vehicle: where it went, what it does now, any field over time, and everything that it has reported.
 *
 * Law: its past comes from the log: a stream of this vehicle alone, from as far back as is worth reading, which then stays open. The
 * present comes from the fleet, like everywhere on the page.
 */

import { POWER, VehicleHistory } from "../model/series.js";
import { getJson } from "../stream/http.js";
import { Chart } from "./chart.js";
import { ChartChooser } from "./chart_chooser.js";
import { $, el, icon, setAttr, setText } from "./dom.js";
import { fieldLabel, formatAge, formatAgo, formatTime, formatValue } from "./format.js";
import { Gauges } from "./gauges.js";
import { TripList } from "./trip_list.js";
import { VehicleMap } from "./vehicle_map.js";

const WINDOWS = [[1, "1 min"], [5, "5 min"], [15, "15 min"], [60, "1 h"], [360, "6 h"], [0, "All"]];
const FIRST_CHARTS = ["VehicleSpeed", POWER, "Soc"];
const MOST_CHARTS = 8; // each is drawn whenever something new has come
const SLIDE_MS = 250; // how often charts move on when nothing new has come
const LEAST_MS = 60_000; // of time in a chart: a page that has just been opened has no more to show
const OLD_MS = 600_000; // a value reported so long ago is shown as old

export class VehiclePage {
  /** `feed`: { fleet, replay, now(), requestFrame(), follow(vin, history, again), seek(seq, playing), token() } */
  constructor(feed) {
    this.feed = feed;
    this.map = new VehicleMap(() => this.redraw());
    this.gauges = new Gauges($("gauges"));
    this.chooser = new ChartChooser();
    this.trips = new TripList((seq) => feed.seek(seq, true));
    this.minutes = 5;
    this.pointer = null;
    this.rows = new Map();
    this.words = "";
    this.charts = [];
    for (const field of FIRST_CHARTS) this.#addChart(field);
    $("window").append(...WINDOWS.map(([minutes, text]) => el("option", { value: minutes }, text)));
    $("window").value = "5";
    $("window").addEventListener("change", ({ target }) => this.#set(() => (this.minutes = Number(target.value))));
    $("add-chart").addEventListener("click", () => this.#ask("Add a chart", (name) => this.#chartOf(name)));
    $("field-search").addEventListener("input", ({ target }) => this.#set(() => (this.words = target.value.trim().toLowerCase())));
  }

  /** Turns to a vehicle (null: to none). */
  show(vin) {
    if (this.vin !== vin) this.trips.clear();
    this.vin = vin;
    this.history = new VehicleHistory();
    this.map.fit();
    this.drawnAt = -Infinity;
    this.drawn = undefined;
    this.rows.clear();
    $("fields").replaceChildren();
    $("events").replaceChildren();
    this.lastEvent = null;
    this.source?.close();
    this.source = vin && this.feed.follow(vin, this.history, () => this.show(vin));
    if (vin) this.#learnTimes(vin);
  }

  /** A snapshot does not say when each value was reported; the server knows. */
  async #learnTimes(vin) {
    const report = await getJson(`vehicles/${vin}`, this.feed.token());
    if (!report || this.vin !== vin) return;
    this.feed.fleet.vehicle(vin).learnTimes(report.times);
    this.feed.requestFrame();
  }

  #set(change) {
    change();
    this.redraw();
  }

  /** Somebody did something: the next frame draws all, whether there is news or not. */
  redraw() {
    this.drawnAt = -Infinity;
    this.feed.requestFrame();
  }

  /** Asks which field; `chosen(name)` is called with the answer. */
  #ask(title, chosen) {
    const vehicle = this.feed.fleet.vehicle(this.vin);
    const now = (name) => (vehicle.fields.has(name) ? formatValue(name, vehicle.value(name)) : name === POWER && vehicle.power !== undefined ? formatValue(name, vehicle.power) : "");
    this.chooser.ask({ title, chosen, now, names: [...this.history.series.keys()], shown: this.charts.map((chart) => chart.field) });
  }

  #addChart(field, first = false) {
    const chart = new Chart(field, {
      choose: (one) => this.#ask("Choose a field", (name) => this.#set(() => (one.field = name))),
      remove: (one) => this.#set(() => this.#remove(one)),
      point: (share) => this.#set(() => (this.pointer = share !== null && share >= 0 ? share : null)),
    });
    if (this.charts.length >= MOST_CHARTS) this.#remove(this.charts.at(-1));
    this.charts = first ? [chart, ...this.charts] : [...this.charts, chart];
    $("charts")[first ? "prepend" : "append"](chart.node);
  }

  #remove(chart) {
    this.charts = this.charts.filter((one) => one !== chart);
    chart.node.remove();
  }

  // ---- drawing

  render(now) {
    const { history } = this;
    const vehicle = this.feed.fleet.vehicle(this.vin);
    const news = vehicle.rev + history.rev;
    if (this.news === news && performance.now() - this.drawnAt < SLIDE_MS) return;
    Object.assign(this, { news, drawnAt: performance.now() });
    const stale = vehicle.stale(now);
    setText($("vehicle-name"), vehicle.name);
    setText($("vehicle-vin"), vehicle.name === vehicle.vin ? "" : vehicle.vin);
    setText($("vehicle-kind"), describe(vehicle));
    setAttr($("vehicle-state"), "data-state", vehicle.condition(now));
    setText($("vehicle-state"), vehicle.condition(now));
    setText($("vehicle-heard"), vehicle.heard ? `last heard ${formatAgo(now - vehicle.heard)}${stale ? "; these values may be out of date" : ""}${skew(vehicle)}` : "");
    setAttr($("vehicle"), "data-stale", stale);
    this.gauges.render(vehicle, now);
    this.map.render(history.track, vehicle.value("Location"), vehicle.value("GpsHeading"), stale, history.events);
    this.trips.render(history, Boolean(this.feed.replay), now - vehicle.behind);
    this.#renderCharts(now - vehicle.behind);
    this.#renderEvents(now);
    const second = Math.floor(now / 1000);
    if (this.drawn === `${second} ${this.words}`) return;
    this.drawn = `${second} ${this.words}`;
    this.#renderFields(vehicle, now);
  }

  /** From the beginning of the window chosen, or of what is known if that is later. */
  #renderCharts(now) {
    const { series, events } = this.history;
    const first = Math.min(...[...series.values()].map(({ at }) => at[0]), now - LEAST_MS);
    const from = this.minutes ? Math.max(first, now - this.minutes * 60_000) : first;
    const marks = events.filter(({ kind, item }) => kind === "errors" || (kind === "alerts" && !item.ended)).map(({ kind, at, item }) => ({ kind, at, name: item.name }));
    for (const chart of this.charts) chart.render(series.get(chart.field), from, now, this.pointer, marks);
  }

  #renderFields(vehicle, now) {
    const names = [...vehicle.fields.keys()].sort();
    if (this.rows.size !== names.length) this.#layFields(names);
    for (const name of names) {
      const row = this.rows.get(name);
      const { value, at } = vehicle.fields.get(name);
      row.node.hidden = !row.words.includes(this.words);
      setText(row.value, formatValue(name, value));
      setText(row.age, formatAge(now - at - vehicle.behind));
      setAttr(row.node, "data-old", now - at - vehicle.behind > OLD_MS);
    }
  }

  #layFields(names) {
    for (const name of names) {
      if (this.rows.has(name)) continue;
      const [value, age, label] = [el("td"), el("td"), fieldLabel(name)];
      const draw = el("button", { class: "ghost", title: "Show a chart", "aria-label": `Show a chart of ${label}`, click: () => this.#chartOf(name) }, icon("M3 17l5-6 4 3 5-8 4 5"));
      const head = el("th", { scope: "row" }, el("span", {}, label), " ", el("code", {}, ...(name.match(/[A-Z]*[^A-Z]+|[A-Z]+$/g) ?? [name]).flatMap((part) => [part, el("wbr")])));
      this.rows.set(name, { value, age, words: `${name} ${label}`.toLowerCase(), node: el("tr", {}, head, value, age, el("td", {}, draw)) });
    }
    $("fields").replaceChildren(...names.map((name) => this.rows.get(name).node));
  }

  #chartOf(name) {
    this.#set(() => this.charts.some((chart) => chart.field === name) || this.#addChart(name, true));
    const { node } = this.charts.find((chart) => chart.field === name);
    node.scrollIntoView({ block: "nearest", behavior: "smooth" });
    node.classList.remove("fresh");
    requestAnimationFrame(() => node.classList.add("fresh")); // the eye finds what has come or was there already
  }

  #renderEvents(now) {
    const { events } = this.history;
    if (this.lastEvent === events.at(-1) && events.length) return;
    this.lastEvent = events.at(-1);
    const items = [...events].reverse().map((event) => line(event, now));
    $("events").replaceChildren(...(items.length ? items : [el("li", { class: "soft" }, "No events in the log.")]));
  }
}

/** What kind of vehicle it is: `"Model 3 · trim 50 · software 2026.38.4.1"`. */
function describe(vehicle) {
  const parts = { CarType: "", Trim: "trim ", Version: "software " };
  return Object.entries(parts).filter(([name]) => vehicle.value(name)).map(([name, word]) => word + formatValue(name, vehicle.value(name))).join(" · ");
}

function skew(vehicle) {
  if (!vehicle.skew) return "";
  return ` · its clock is ${formatAge(Math.abs(vehicle.skew))} ${vehicle.skew > 0 ? "behind, or its messages arrive that late" : "ahead"}`;
}

function line({ kind, at, item }, now) {
  const [title, note] = {
    alerts: () => [item.name, `${item.ended ? "ended" : "started"}${item.audiences && ` · for ${item.audiences}`}`],
    errors: () => [item.name, [item.body, ...item.tags].filter(Boolean).join(" · ")],
    connectivity: () => [item.connected ? "Connected" : "Disconnected", item.networkInterface],
  }[kind]();
  const node = el("li", { "data-kind": kind }, el("time", { datetime: new Date(at || 0).toISOString() }, formatTime(at, now)), el("b", {}, title), el("span", {}, note || ""));
  setAttr(node, "data-over", kind === "alerts" && item.ended);
  return node;
}

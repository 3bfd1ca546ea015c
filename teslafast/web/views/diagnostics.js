/**
 * The panel for whoever asks "is it slow, or is it me?": figures, a minute of events a second, and the answer in words.
 *
 * Law: it costs nothing while it is closed.
 */

import { verdict } from "../model/stats.js";
import { $, colour, figures, prepareCanvas, setAttr, setText } from "./dom.js";
import { formatAge, formatBytes, formatDelay, formatTime } from "./format.js";

const HEALTH_MS = 5000; // how often the server is asked while the panel is open
const EVERY_MS = 250; // nobody reads faster

export class Diagnostics {
  /** `feed`: { stats, clock, state, stream, fleet, token(), requestFrame() }; `claims(token)`: what a token says of itself */
  constructor(feed, claims) {
    this.feed = feed;
    this.claims = claims;
    this.dialog = $("diagnostics");
    this.figure = figures($("figures"));
    $("diagnose").addEventListener("click", () => this.#open());
    $("diagnostics-close").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    this.dialog.addEventListener("close", () => clearInterval(this.timer));
  }

  get open() {
    return this.dialog.open;
  }

  #open() {
    this.dialog.showModal();
    this.feed.clock.set();
    this.timer = setInterval(() => this.feed.clock.set(), HEALTH_MS);
    this.feed.requestFrame();
  }

  render(now) {
    if (performance.now() - (this.drawnAt ?? -Infinity) < EVERY_MS) return;
    this.drawnAt = performance.now();
    const { stats, clock, state, stream, fleet } = this.feed;
    const [well, text] = verdict(stats, state, clock.ahead);
    setText($("verdict"), text);
    setAttr($("verdict"), "data-well", well);
    const [median, worst] = stats.latency;
    const token = this.claims(this.feed.token() ?? "");
    const health = clock.health ?? {};
    const values = {
      "Vehicle to screen": `${formatDelay(median)} (99th percentile ${formatDelay(worst)})`,
      "Server round trip": formatDelay(stats.roundTrip),
      "Events": `${stats.rate.toFixed(stats.rate < 10 ? 1 : 0)}/s, ${stats.events.toLocaleString()} since the page opened`,
      "Received": formatBytes(stats.bytes),
      "Missed": stats.missed ? `${stats.missed.toLocaleString()} event${stats.missed === 1 ? "" : "s"}, as reported by the server` : "none",
      "Reconnected": stats.reconnects ? `${stats.reconnects} time${stats.reconnects === 1 ? "" : "s"}` : "never",
      "Frames drawn": `${stats.fps}/s, ${formatDelay(stats.busy)} of work`,
      "Your clock": Math.abs(clock.ahead) < 1000 ? "correct" : `${formatAge(Math.abs(clock.ahead))} ${clock.ahead > 0 ? "ahead of" : "behind"} the server's`,
      "Server": `${stream?.server ?? "–"}, up ${formatAge((health.uptime_s ?? NaN) * 1000)}, ${health.vehicles ?? "–"} vehicles, ${health.dashboards ?? "–"} dashboards`,
      "Log": `epoch ${stream?.epoch ?? "–"}, at event ${stream?.seq ?? "–"}, oldest ${health.oldest ?? "–"}`,
      "Outputs": Object.entries(health.outputs ?? {}).map(([name, state]) => outputText(name, state, health.output_nodes?.[name])).join(", ") || "none",
      "Vehicles known": String(fleet.vehicles.size),
      "Token": token.exp ? `${token.sub ?? "unnamed"}, until ${formatTime(token.exp * 1000, now)}` : "–",
    };
    for (const [name, value] of Object.entries(values)) this.figure(name, value);
    this.#pulse(stats.lastMinute);
  }

  #pulse(rates) {
    const { ctx, width, height } = prepareCanvas($("pulse"));
    const top = Math.max(1, ...rates);
    const step = width / rates.length;
    ctx.fillStyle = colour("accent");
    rates.forEach((rate, index) => ctx.fillRect(index * step + 1, height - (rate / top) * (height - 16), step - 2, (rate / top) * (height - 16)));
    ctx.fillStyle = colour("soft");
    ctx.fillText(`${top} events/s`, 0, 10);
  }
}

/** An output's state; and with several nodes, which of them works it. */
function outputText(name, state, at) {
  return at?.run ? `${name} ${state} (${at.here ? "here" : `on ${at.node}`}, ${at.lag_events} behind)` : `${name} ${state}`;
}

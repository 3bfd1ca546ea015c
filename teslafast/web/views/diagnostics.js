/** The panel for whoever asks "is it slow, or is it me?": figures, a minute of events a second, and the answer in words. */

import { $, colour, figures, mark, say, sheet } from "./dom.js";
import { age, delay, moment } from "./format.js";
import { verdict } from "./stats.js";
import { claims } from "./token.js";

const HEALTH_MS = 5000;
const EVERY_MS = 250; // nobody reads faster

export class Diagnostics {
  /** `app`: { stats, clock, state, stream, fleet, token(), dirty() } */
  constructor(app) {
    this.app = app;
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
    this.app.clock.set();
    this.timer = setInterval(() => this.app.clock.set(), HEALTH_MS);
    this.app.dirty();
  }

  render(now) {
    if (performance.now() - (this.drawnAt ?? -Infinity) < EVERY_MS) return;
    this.drawnAt = performance.now();
    const { stats, clock, state, stream, fleet } = this.app;
    const [well, text] = verdict(stats, state, clock.ahead);
    say($("verdict"), text);
    mark($("verdict"), "data-well", well);
    const [median, worst] = stats.latency;
    const token = claims(this.app.token() ?? "");
    const health = clock.health ?? {};
    const told = {
      "Vehicle to screen": `${delay(median)} (99th percentile ${delay(worst)})`,
      "To the server and back": delay(stats.trip),
      "Events": `${stats.rate.toFixed(stats.rate < 10 ? 1 : 0)}/s, ${stats.events.toLocaleString()} since the page opened`,
      "Received": `${(stats.bytes / 1e6).toFixed(1)} MB`,
      "Missed": stats.missed ? `${stats.missed.toLocaleString()} events, in gaps told by the server` : "none",
      "Reconnected": stats.reconnects ? `${stats.reconnects} times` : "never",
      "Frames drawn": `${stats.fps}/s, ${delay(stats.busy)} of work`,
      "Your clock": Math.abs(clock.ahead) < 1000 ? "right" : `${age(Math.abs(clock.ahead))} ${clock.ahead > 0 ? "ahead of" : "behind"} the server's`,
      "Server": `${stream?.server ?? "–"}, up ${age((health.uptime_s ?? NaN) * 1000)}, ${health.vehicles ?? "–"} vehicles, ${health.dashboards ?? "–"} dashboards`,
      "Log": `epoch ${stream?.epoch ?? "–"}, at ${stream?.seq ?? "–"}, oldest ${health.oldest ?? "–"}`,
      "Vehicles known": String(fleet.vehicles.size),
      "Token": token.exp ? `${token.sub ?? "no name"}, until ${moment(token.exp * 1000, now)}` : "–",
    };
    for (const [name, value] of Object.entries(told)) this.figure(name, value);
    this.#pulse(stats.lastMinute);
  }

  #pulse(rates) {
    const { ink, width, height } = sheet($("pulse"));
    const top = Math.max(1, ...rates);
    const step = width / rates.length;
    ink.fillStyle = colour("accent");
    rates.forEach((rate, index) => ink.fillRect(index * step + 1, height - (rate / top) * (height - 16), step - 2, (rate / top) * (height - 16)));
    ink.fillStyle = colour("soft");
    ink.fillText(`${top} events/s`, 0, 10);
  }
}

/**
 * The set-up as the page shows it: in place of an empty list of vehicles, below the sign-in, and behind `#/setup`.
 *
 *   /setup (for everybody) ──▶ three lines below the sign-in, until a vehicle has ever been heard
 *   /setup/details (token) ──▶ the whole list: the start view until a vehicle has been heard, later behind the header's button
 *
 * Law: the server is asked while somebody looks: every NEAR_MS while a list is shown, every FAR_MS otherwise, so that the button turns
 * red when something ends. A page in the background does not ask.
 */

import { getJson } from "../stream/http.js";
import { showChecks, showTurnedAway } from "../views/checklist.js";
import { $, setAttr } from "../views/dom.js";

const NEAR_MS = 3000; // who has just opened the Tesla app waits for a line to change
const FAR_MS = 300_000;
const PUBLIC = new Set(["server", "public_key", "vehicle"]); // what `/setup` tells everybody

export class SetUp {
  /** `on`: { token() or null, view() → name of the view shown, fleet() → what is known of vehicles, changed(): another view may be right } */
  constructor(on) {
    this.on = on;
    this.report = null;
    this.told = "";
    this.asked = -Infinity;
    document.addEventListener("visibilitychange", () => this.tick());
    addEventListener("hashchange", () => (this.asked = -Infinity));
  }

  /** Whether no vehicle has ever been heard, as far as is known: then the list is what there is to see. */
  get waiting() {
    return this.report !== null && !this.report.heard && this.on.fleet().vehicles.size === 0;
  }

  /** Looks whether it is time to ask; called every second. */
  tick() {
    const view = this.on.view();
    if (view === "setup" && location.hash !== "#/setup" && !this.waiting) this.on.changed(); // the first vehicle has been heard
    const near = view === "setup" || (view === "sign-in" && !this.report?.heard);
    if (document.visibilityState !== "visible" || performance.now() - this.asked < (near ? NEAR_MS : FAR_MS)) return;
    this.asked = performance.now();
    this.#ask();
  }

  /** Another token, or none: what the old one showed is forgotten. */
  forget() {
    this.report = null;
    this.told = "";
    this.asked = -Infinity;
    $("setup-list").replaceChildren();
    showTurnedAway($("turned-away"), undefined);
    setAttr($("open-setup"), "data-state", false);
  }

  async #ask() {
    const token = this.on.token();
    const report = await getJson(token ? "setup/details" : "setup", token);
    if (report === null || token !== this.on.token()) return;
    const told = JSON.stringify(report);
    if (told === this.told) return; // a list that is written anew would be read out anew
    Object.assign(this, { report, told });
    if (token) this.#showDetails(report);
    $("setup-public").hidden = report.heard;
    showChecks($("setup-public-list"), { ...report, checks: report.checks.filter(({ name }) => PUBLIC.has(name)) });
    this.on.changed();
  }

  #showDetails(report) {
    showChecks($("setup-list"), report, (vin) => this.on.fleet().vehicles.get(vin)?.name ?? vin);
    showTurnedAway($("turned-away"), report.turnedAway);
    setAttr($("open-setup"), "data-state", report.checks.some(({ state }) => state === "wrong") ? "wrong" : false);
  }
}

/**
 * What the keyboard does, and the panel that says so.
 *
 * Law: KEYS is the one table: what stands in it works and is shown on `?`. A letter does nothing while somebody types, with Ctrl, Alt
 * or Meta, or while a dialog is open. Escape leaves the innermost thing first: a dialog, a field, a control, and then the vehicle.
 */

import { $, el } from "../views/dom.js";

const ALWAYS = "Anywhere";
const FLEET = "All vehicles";
const VEHICLE = "One vehicle";

const press = (id) => () => $(id).click();

// where, keys as they are shown, what they do, { key: action }; those without an action belong to an element that has the focus
const KEYS = [
  [ALWAYS, ["?"], "Show these keys", { "?": press("help") }],
  [ALWAYS, ["K"], "Pause or play", { k: press("play") }],
  [ALWAYS, ["L"], "Back to the present", { l: press("to-live") }],
  [ALWAYS, ["U"], "Kilometres or miles", { u: press("units") }],
  [ALWAYS, ["T"], "Light or dark", { t: press("theme") }],
  [ALWAYS, ["D"], "Diagnostics", { d: press("diagnose") }],
  [FLEET, ["/"], "Search", { "/": () => $("search").focus() }],
  [FLEET, ["M"], "Show or hide the map", { m: press("map-toggle") }],
  [FLEET, ["R"], "Compact or roomy rows", { r: press("density") }],
  [FLEET, ["↑", "↓", "PgUp", "PgDn", "Home", "End"], "Walk through the rows", {}],
  [FLEET, ["Enter"], "Open the vehicle", {}],
  [VEHICLE, ["N", "P"], "Next vehicle, previous vehicle", {}],
  [VEHICLE, ["C"], "Add a chart", { c: press("add-chart") }],
  [VEHICLE, ["/"], "Search its fields", { "/": () => $("field-search").focus() }],
  [VEHICLE, ["Esc"], "Back to all vehicles", {}],
];
const VIEWS = { [FLEET]: "fleet", [VEHICLE]: "vehicle" };

export class Keys {
  /** `on`: { view() → the view shown, leave(): from a vehicle to all, step(by): to the next vehicle or the previous } */
  constructor(on) {
    this.on = on;
    this.dialog = $("keys");
    this.#lay();
    $("help").addEventListener("click", () => this.dialog.showModal());
    $("keys-close").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    addEventListener("keydown", (event) => this.#key(event));
  }

  #lay() {
    for (const title of [ALWAYS, FLEET, VEHICLE]) {
      const lines = KEYS.filter(([where]) => where === title).map(([, keys, text]) => el("div", {}, el("dt", {}, ...keys.map((key) => el("kbd", {}, key))), el("dd", {}, text)));
      $("keys-list").append(el("section", {}, el("h3", {}, title), el("dl", {}, ...lines)));
    }
  }

  #key(event) {
    const view = this.on.view();
    if (event.ctrlKey || event.altKey || event.metaKey || view === "sign-in" || document.querySelector("dialog[open]")) return;
    const focus = document.activeElement;
    const typing = /^(?:INPUT|SELECT|TEXTAREA)$/.test(focus?.tagName ?? "") && focus.type !== "range";
    if (event.key === "Escape") return this.#escape(focus, typing, view);
    if (typing) return;
    const step = view === "vehicle" && { n: 1, p: -1 }[event.key];
    const [action] = KEYS.filter(([where, , , does]) => (VIEWS[where] ?? view) === view && event.key in does).map(([, , , does]) => does[event.key]);
    if (!action && !step) return;
    event.preventDefault();
    if (step) this.on.step(step);
    else action();
  }

  #escape(focus, typing, view) {
    if (typing || focus?.closest(".top, .time")) focus.blur();
    else if (view !== "fleet") this.on.leave();
  }
}

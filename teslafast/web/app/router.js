/**
 * Which view is shown: the page's address says it, `#/` (all vehicles), `#/v/VIN` or `#/setup`.
 *
 * Law: exactly one of VIEWS is visible, and without a token it is the sign-in, whatever the address says.
 */

import { $ } from "../views/dom.js";

const VIEWS = ["sign-in", "fleet", "vehicle", "setup"];
const VEHICLE = /^#\/v\/([\w-]+)$/;

/** Shows a vehicle's page: the address changes, and the rest follows from that. */
export const openVehicle = (vin) => (location.hash = `#/v/${vin}`);

export class Router {
  /** `on`: { signedIn() → bool, enter(vin or null): this is what the address names, shown(view): after a view was
   *  shown, waiting() → bool: there is nothing to see but the set-up } */
  constructor(on) {
    this.on = on;
    this.view = "start";
    addEventListener("hashchange", () => this.route());
    addEventListener("keydown", (event) => this.#key(event));
  }

  route() {
    if (!this.on.signedIn()) return this.show("sign-in"); // asked first: it may take a token out of the address
    const [, vin = null] = VEHICLE.exec(location.hash) ?? [];
    this.on.enter(vin);
    return this.show(vin ? "vehicle" : location.hash === "#/setup" || this.on.waiting() ? "setup" : "fleet");
  }

  show(name) {
    const changed = this.view !== name;
    this.view = name;
    document.body.dataset.view = name;
    for (const id of VIEWS) $(id).hidden = id !== name;
    $("time").hidden = $("sign-out").hidden = $("meter").hidden = $("open-setup").hidden = name === "sign-in";
    this.on.shown(name);
    if (changed && name === "vehicle") $("vehicle-name").focus({ preventScroll: true });
    if (changed) scrollTo(0, 0);
  }

  #key(event) {
    const typing = /^(?:INPUT|SELECT|TEXTAREA)$/.test(document.activeElement?.tagName ?? "");
    if (event.key === "/" && this.view === "fleet" && !typing) {
      event.preventDefault();
      $("search").focus();
    }
    if (event.key === "Escape" && this.view === "vehicle" && !typing && !$("diagnostics").open) location.hash = "#/";
  }
}

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
    this.moved = false; // whether somebody has chosen what to see
    addEventListener("hashchange", () => {
      this.moved = true;
      this.route();
    });
  }

  /** A reader who has chosen nothing yet, and has one vehicle, wants to see that. */
  openOnly(vins) {
    if (this.moved || this.view !== "fleet" || vins.length !== 1) return;
    history.replaceState(null, "", `${location.pathname}${location.search}#/v/${vins[0]}`);
    this.route();
  }

  /** The vehicle that the address names, or null. */
  get vin() {
    return VEHICLE.exec(location.hash)?.[1] ?? null;
  }

  route() {
    if (!this.on.signedIn()) return this.show("sign-in"); // asked first: it may take a token out of the address
    const { vin } = this;
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
}

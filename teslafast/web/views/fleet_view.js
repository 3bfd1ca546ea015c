/**
 * All vehicles: the table, and the map beside it, or in its place where there is room for one only.
 *
 * Law: the map shows what the table lists. It is there where the window is wide, until the reader has chosen.
 */

import { $, setAttr } from "./dom.js";
import { FleetMap } from "./fleet_map.js";
import { FleetTable } from "./fleet_table.js";
import { browserStore } from "./storage.js";

const KEY = "teslafast.map";
const WIDE = "(min-width: 1400px)"; // both have room

export class FleetView {
  /** `feed`: as FleetTable has it; `open(vin)` is called when a vehicle is chosen. */
  constructor(feed, open) {
    this.wide = matchMedia(WIDE);
    this.table = new FleetTable(feed, { open, point: (vin) => this.map.mark(vin) });
    this.map = new FleetMap({ redraw: () => feed.requestFrame(), open, point: (vin) => this.table.mark(vin) });
    $("map-toggle").addEventListener("click", () => {
      browserStore.set(KEY, this.mapShown ? "off" : "on");
      this.refresh();
    });
  }

  get mapShown() {
    return (browserStore.get(KEY) ?? (this.wide.matches ? "on" : "off")) === "on";
  }

  render(now) {
    this.table.render(now);
    if (this.mapShown) this.map.render(this.table.order, now);
  }

  /** Everything is drawn anew: another theme, other units, another size. */
  refresh() {
    setAttr($("fleet"), "data-map", this.mapShown);
    setAttr($("map-toggle"), "aria-pressed", String(this.mapShown));
    this.table.refresh();
    this.map.refresh();
  }
}

/**
 * How the page looks to this reader: light or dark.
 *
 * Law: the system decides until the reader has; what the reader chose is kept in the browser. Canvases do not follow a style
 * sheet, so each change forgets the colours read from it and has everything drawn anew.
 */

import { $, forgetColours } from "../views/dom.js";
import { browserStore } from "../views/storage.js";

const KEY = "teslafast.theme";

export class Theme {
  /** `redraw()` is called after each change. */
  constructor(redraw) {
    this.redraw = redraw;
    this.darkness = matchMedia("(prefers-color-scheme: dark)");
    this.darkness.addEventListener("change", () => this.apply());
    $("theme").addEventListener("click", () => this.#switch());
  }

  apply() {
    const chosen = browserStore.get(KEY);
    if (chosen) document.documentElement.dataset.theme = chosen;
    forgetColours();
    this.redraw();
  }

  #switch() {
    const shown = document.documentElement.dataset.theme ?? (this.darkness.matches ? "dark" : "light");
    browserStore.set(KEY, shown === "dark" ? "light" : "dark");
    this.apply();
  }
}

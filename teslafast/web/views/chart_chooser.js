/**
 * Which field a chart shows: a dialog with a search over all that the vehicle has reported.
 *
 * Law: it is open for one question at a time, `ask`, and answers it at most once. Words match the name in words and the protocol's.
 */

import { $, el, setText } from "./dom.js";
import { fieldLabel, unitOf } from "./format.js";

export class ChartChooser {
  constructor() {
    this.dialog = $("chooser");
    this.search = $("chooser-search");
    this.list = $("chooser-list");
    this.search.addEventListener("input", () => this.#narrow());
    $("chooser-close").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    this.dialog.addEventListener("keydown", (event) => this.#key(event));
  }

  /**
   * names    fields that can be chosen;  shown: those that have a chart already
   * now      (name) → the field's present value as text
   * chosen   called with the name
   */
  ask({ title, names, shown, now, chosen }) {
    setText($("chooser-title"), title);
    this.rows = names.map((name) => ({ name, label: fieldLabel(name), words: `${fieldLabel(name)} ${name}`.toLowerCase() }));
    this.rows.sort((a, b) => a.label.localeCompare(b.label));
    for (const row of this.rows) {
      const has = shown.includes(row.name);
      const choose = () => {
        this.dialog.close();
        chosen(row.name);
      };
      row.button = el("button", { class: "ghost", click: choose }, el("span", {}, row.label, el("small", {}, unitOf(row.name))), el("code", {}, row.name), el("output", {}, has ? "shown" : now(row.name)));
      row.node = el("li", {}, row.button);
    }
    this.list.replaceChildren(...this.rows.map(({ node }) => node));
    this.search.value = "";
    this.#narrow();
    this.dialog.showModal();
    this.search.focus();
  }

  #narrow() {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    this.fitting = this.rows.filter((row) => words.every((word) => row.words.includes(word)));
    for (const row of this.rows) row.node.hidden = !this.fitting.includes(row);
    setText($("chooser-none"), this.fitting.length ? "" : this.rows.length ? "No field matches." : "This vehicle has not reported any field yet.");
  }

  /** Arrows walk the list, Enter in the search takes its first. */
  #key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Enter" && event.target === this.search) {
      event.preventDefault();
      this.fitting[0]?.button.click();
    }
    if (!step || !this.fitting.length) return;
    event.preventDefault();
    const at = this.fitting.findIndex(({ button }) => button === document.activeElement) + step;
    if (at < 0) this.search.focus();
    else this.fitting[Math.min(at, this.fitting.length - 1)].button.focus();
  }
}

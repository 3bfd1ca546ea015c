/**
 * Short messages above the page, each for a while.
 *
 * Law: a notice is text, it can be dismissed, and there are never more than MOST of them: the oldest goes first.
 */

import { $, el } from "../views/dom.js";

const SHOWN_MS = 12_000; // long enough to read two sentences
const MOST = 4; // more would push the page out of sight

export function notice(text) {
  const close = el("button", { class: "ghost", "aria-label": "Dismiss", click: () => node.remove() }, "✕");
  const node = el("p", {}, el("span", {}, text), close);
  $("notices").append(node);
  if ($("notices").children.length > MOST) $("notices").firstChild.remove();
  setTimeout(() => node.remove(), SHOWN_MS);
}

/**
 * How far the set-up is, as a list: what is done, what is missing and what to do about it, and who was turned away.
 *
 * Law: a line says its state in words, too, for those who see no colours or nothing at all. What the server says is text.
 */

import { el } from "./dom.js";

const STATES = { done: ["☑", "Done"], missing: ["☐", "To do"], waiting: ["☐", "Waiting"], wrong: ["✗", "Wrong"] };
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** `names`: VIN → what the vehicle is called. */
function line(check, since, names) {
  const [mark, word] = STATES[check.state] ?? STATES.waiting;
  const says = check.name === "server" ? `${check.says}, since ${day.format(new Date(since))}` : check.says;
  const whose = check.vin ? `${names(check.vin)}: ` : "";
  return el("li", { "data-state": check.state },
    el("span", { class: "mark", "aria-hidden": "true" }, mark),
    el("div", {}, el("span", { class: "hush" }, `${word}: `), `${whose}${says}`, ...(check.remedy ? [el("p", { class: "soft small" }, check.remedy)] : [])));
}

/** Lists the checks of a report. */
export function showChecks(list, report, names = (vin) => vin) {
  list.replaceChildren(...report.checks.map((check) => line(check, report.since, names)));
}

function knock({ at, cause, meaning, remedy, from, times }) {
  const often = times > 1 ? `, ${times.toLocaleString()} times` : "";
  return el("li", {},
    el("time", { datetime: at }, clock.format(new Date(at))),
    el("div", {}, el("b", {}, cause), ` from ${from}${often}: ${meaning}`, ...(remedy ? [el("p", { class: "soft small" }, remedy)] : [])));
}

/** Lists who was turned away; `turnedAway` is undefined for a reader who may not see it. */
export function showTurnedAway(section, turnedAway) {
  section.hidden = turnedAway === undefined;
  section.querySelector("ol").replaceChildren(...(turnedAway ?? []).map(knock));
  section.querySelector(".none").hidden = (turnedAway ?? []).length > 0;
}

/**
 * The page: a session, a feed of events into the fleet, a view on it, and one drawing a frame at most.
 *
 *   Session ─▶ Feed (live or replay) ─▶ Fleet ── frame ─┬─▶ FleetView (table, map)
 *                                                       └─▶ VehiclePage               Router: which of the two
 *
 * Law: events only change the model and ask for a frame; nothing is drawn but in `frame`. This module only puts the parts
 * together.
 */

import { Timeline } from "../replay/timeline.js";
import { Diagnostics } from "../views/diagnostics.js";
import { $, setAttr, setText } from "../views/dom.js";
import { FleetView } from "../views/fleet_view.js";
import { chooseUnits, formatAge, formatDelay, units } from "../views/format.js";
import { VehiclePage } from "../views/vehicle_page.js";
import { Feed } from "./feed.js";
import { keptToken } from "./kept_token.js";
import { Keys } from "./keys.js";
import { Router, openVehicle } from "./router.js";
import { Session, claims } from "./session.js";
import { SetUp } from "./setup.js";
import { Theme } from "./theme.js";

const LEAP_MS = 250; // a frame that comes later than this (a tab in the background) moves a replay by no more

// The parts below ask for a frame as soon as they are made.
let asked = false;
let drawnAt = performance.now();

// ---- the parts

const session = new Session({
  now: () => feed.clock.now(),
  signedIn: () => {
    setUp.forget();
    router.route();
  },
  signedOut: () => {
    feed.stop();
    setUp.forget();
    vehiclePage.show(null);
    router.show("sign-in");
  },
  renew: (token) => {
    feed.stream?.renew(token);
    vehiclePage.source?.renew?.(token);
  },
});

const timeline = new Timeline({
  token: keptToken,
  seek: (seq) => feed.seek(seq),
  play: () => feed.play(),
  pause: () => feed.pause(),
  goLive: () => feed.replay && feed.goLive(),
  setSpeed: (times) => feed.setSpeed(times),
});

const feed = new Feed(keptToken, timeline, {
  requestFrame,
  sourceChanged: () => vehiclePage.vin && vehiclePage.show(vehiclePage.vin),
  state: showConnection,
  signedOut: (text) => session.signOut(text),
  expiring: (exp) => session.expiring(exp),
  renewed: () => session.renewed(),
  refused: (reason) => session.refused(reason),
  known: (vins) => {
    fleetView.table.reorder();
    if (router.view === "fleet") fleetView.render(feed.now()); // so that the way back leads to rows that are there
    router.openOnly(vins);
  },
});

const fleetView = new FleetView(feed, openVehicle);
const vehiclePage = new VehiclePage(feed);
const diagnostics = new Diagnostics(feed, claims);

const router = new Router({
  signedIn: () => Boolean(keptToken()),
  waiting: () => setUp.waiting,
  enter: (vin) => {
    if (!feed.running) feed.goLive();
    if (vin !== vehiclePage.vin) vehiclePage.show(vin);
  },
  shown: (view) => {
    document.title = view === "vehicle" ? `${feed.fleet.vehicle(vehiclePage.vin).name} · teslafast` : "teslafast";
    requestFrame();
  },
});

const setUp = new SetUp({
  token: keptToken,
  view: () => router.view,
  fleet: () => feed.fleet,
  changed: () => router.view !== "vehicle" && router.route(),
});

const theme = new Theme(redraw);

new Keys({
  view: () => router.view,
  leave: () => (location.hash = "#/"),
  step: (by) => {
    const vin = fleetView.table.neighbour(router.vin, by);
    if (vin) openVehicle(vin);
  },
});

// ---- drawing

function requestFrame() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(frame);
}

function frame(at) {
  asked = false;
  const { replay, stats, clock } = feed;
  const passed = Math.min(LEAP_MS, at - drawnAt);
  drawnAt = at;
  const began = performance.now();
  if (replay) {
    replay.tick(passed, clock.now());
    requestFrame();
  }
  const now = feed.now();
  if (router.view === "fleet" && !Number.isNaN(now)) fleetView.render(now);
  if (router.view === "vehicle" && !Number.isNaN(now)) vehiclePage.render(now);
  timeline.render(feed.replay, clock.now());
  if (diagnostics.open) {
    diagnostics.render(clock.now());
    requestFrame();
  }
  stats.frames += 1;
  stats.work += performance.now() - began;
}

/** Draws everything anew: another theme, other units, another size. */
function redraw() {
  setText($("units-text"), units.metric ? "km" : "mi");
  fleetView.refresh();
  vehiclePage.redraw();
}

function everySecond() {
  const { stats } = feed;
  stats.tick();
  setText($("meter-rate"), stats.rate.toFixed(stats.rate > 0 && stats.rate < 10 ? 1 : 0));
  setText($("meter-delay"), formatDelay(stats.latency[0]));
  session.countDown();
  setUp.tick();
  requestFrame();
}

/** `until`: when (ms since 1970) the next try is made. */
function showConnection(state, { text, until }) {
  const retry = until ? `, retrying in ${formatAge(Math.max(0, until - Date.now()) + 1000)}` : "";
  setAttr($("link"), "data-state", state);
  setText($("link-text"), { idle: "Not connected", connecting: "Connecting", live: "Live", waiting: `${text}${retry}`, replay: "Replay" }[state]);
  setAttr(document.body, "data-link", (state === "connecting" || state === "waiting") && "lost");
  requestFrame();
}

// ---- what the reader does with the page as a whole

$("units").addEventListener("click", () => {
  chooseUnits(!units.metric);
  redraw();
});
addEventListener("resize", redraw);
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && feed.stream?.retry());

setInterval(everySecond, 1000);
document.fonts.ready.then(redraw); // a canvas does not follow a font that comes later
theme.apply();
router.route();
setUp.tick();

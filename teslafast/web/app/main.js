/**
 * The page: a token, a stream into the fleet (or a replay of it), a view on it, and one drawing a frame at most.
 *
 *   Stream ─┐                    ┌─▶ Grid          the address says which: #/ or #/v/VIN
 *   Player ─┴▶ Fleet ── frame ───┴─▶ VehicleView
 *
 * Events only change the model and ask for a frame; nothing is drawn but in `frame`. Live and replay differ in where the events
 * come from and what time it is, and in nothing else.
 */

import { told } from "./backoff.js";
import { Clock } from "./clock.js";
import { Diagnostics } from "./diagnostics.js";
import { $, el, forgetColours, mark, say } from "./dom.js";
import { Fleet } from "./fleet.js";
import { age, chooseUnits, delay, units } from "./format.js";
import { Grid } from "./grid.js";
import { Player } from "./player.js";
import { read, timeOf } from "./reading.js";
import { Stats } from "./stats.js";
import { Stream } from "./stream.js";
import { Timebar } from "./timebar.js";
import * as tokens from "./token.js";
import { VehicleView } from "./vehicle.js";

const HISTORY = 6000; // events of one vehicle worth reading back
const TRACES = 6000; // events of all vehicles read back for the rows' traces
const NOTICE_MS = 12_000;

const app = {
  fleet: new Fleet(),
  clock: new Clock(),
  stats: new Stats(),
  stream: null,
  player: null,
  state: "idle",
  now: () => (app.player ? app.player.time : app.clock.now()),
  token: tokens.kept,
  dirty,
  follow,
};

// ---- drawing

let asked = false;
let drawnAt = performance.now();

function dirty() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(frame);
}

function frame(at) {
  asked = false;
  const { player, stats } = app;
  const passed = Math.min(250, at - drawnAt);
  drawnAt = at;
  const began = performance.now();
  if (player) {
    player.tick(passed, app.clock.now());
    dirty();
  }
  const now = app.now();
  if (view === "fleet" && !Number.isNaN(now)) grid.render(now);
  if (view === "vehicle" && !Number.isNaN(now)) vehicleView.render(now);
  timebar.render(app.player, app.clock.now());
  if (diagnostics.open) {
    diagnostics.render(app.clock.now());
    dirty();
  }
  stats.frames += 1;
  stats.work += performance.now() - began;
}

setInterval(() => {
  app.stats.tick();
  const { stats } = app;
  say($("meter-rate"), stats.rate.toFixed(stats.rate > 0 && stats.rate < 10 ? 1 : 0));
  say($("meter-delay"), delay(stats.latency[0]));
  countDown();
  dirty();
}, 1000);

// ---- where one is

let view = "start";

function route() {
  const signedIn = tokens.kept();
  const [, vin = null] = /^#\/v\/([\w-]+)$/.exec(location.hash) ?? [];
  if (!signedIn) return show("sign-in");
  if (!app.stream && !app.player) goLive();
  if (vin !== vehicleView.vin) vehicleView.show(vin);
  return show(vin ? "vehicle" : "fleet");
}

function show(name) {
  const changed = view !== name;
  view = name;
  document.body.dataset.view = name;
  for (const id of ["sign-in", "fleet", "vehicle"]) $(id).hidden = id !== name;
  $("time").hidden = $("sign-out").hidden = $("meter").hidden = name === "sign-in";
  document.title = name === "vehicle" ? `${app.fleet.vehicle(vehicleView.vin).name} · teslafast` : "teslafast";
  if (changed && name === "vehicle") $("vehicle-name").focus({ preventScroll: true });
  if (changed) scrollTo(0, 0);
  dirty();
}

// ---- live

function goLive() {
  leave();
  app.player = null;
  app.fleet = new Fleet();
  app.stream = new Stream(app.token, {}, {
    hello: greeted,
    event: liveEvent,
    gap: missed,
    expiring,
    renewed,
    refused: notRenewed,
    state: linkState,
    trip: (ms) => (app.stats.trip = ms),
  });
  reopen();
}

/** The vehicle in view is told from the new source, too. */
function reopen() {
  if (vehicleView.vin) vehicleView.show(vehicleView.vin);
}

function leave() {
  app.stream?.close();
  app.player?.close();
  vehicleView.source?.close();
  app.stream = null;
}

async function greeted(hello) {
  const { stream, fleet, stats } = app;
  const again = stream.connects > 1;
  if (again) stats.reconnects += 1;
  if (stream.known !== hello.epoch) fleet.forgetSeqs();
  if (again && stream.known !== hello.epoch) notice("The server's log began anew. What it had is gone; what comes now is new.");
  stream.known = hello.epoch;
  stream.server = hello.server;
  timebar.set(hello.epoch, hello.oldest, hello.seq);
  app.clock.keep();
  if (!again) readTraces(hello, fleet);
  const report = await told("/vehicles", app.token());
  if (report) fleet.roster(report.vehicles);
  dirty();
}

/** The rows' traces and alerts from the log, so that they need not start empty. */
async function readTraces(hello, fleet) {
  const since = Math.max(0, hello.oldest - 1, hello.seq - TRACES);
  if (since >= hello.seq) return;
  const got = await read(app.token(), { since, epoch: hello.epoch }, TRACES).catch(() => null);
  for (const event of got?.events ?? []) fleet.recall(event);
  dirty();
}

function liveEvent(event, bytes) {
  const now = app.clock.now();
  app.fleet.take(event, now);
  if (event.type !== "snapshot") {
    const lag = event.type === "data" && !event.isResend ? now - timeOf(event) - app.fleet.vehicle(event.vin).skew : NaN;
    app.stats.event(bytes, Math.max(0, lag));
    timebar.pass(event.seq, now);
  }
  dirty();
}

function missed({ from, to }) {
  const count = to - from + 1;
  if (count <= 0) return;
  app.stats.missed += count;
  notice(`${count.toLocaleString()} events were missed (${from} to ${to}): the server holds them no more.`);
}

function linkState(state, { text, until }) {
  app.state = state;
  if (state === "ended") {
    signOut(text);
    return;
  }
  const wait = until ? `, again in ${age(Math.max(0, until - Date.now()) + 1000)}` : "";
  mark($("link"), "data-state", state);
  say($("link-text"), { live: "Live", connecting: "Connecting", waiting: `${text}${wait}` }[state]);
  mark(document.body, "data-link", state !== "live" && "lost");
  dirty();
}

// ---- replay

function seek(seq, playing = true) {
  const { epoch, oldest } = timebar;
  const speed = app.player?.speed ?? Number($("speed").value);
  leave();
  const known = app.fleet;
  app.fleet = new Fleet();
  app.fleet.borrow(known);
  app.state = "live";
  mark(document.body, "data-link", false);
  mark($("link"), "data-state", "replay");
  say($("link-text"), "Replay");
  const { fleet } = app;
  const player = new Player(app.token, { seq, oldest, epoch }, {
    event: (event) => {
      const at = timeOf(event);
      fleet.take(event, Number.isNaN(at) ? player.time : at);
      app.stats.event(0, NaN);
    },
    hello: (hello) => (hello.epoch === epoch ? timebar.set(epoch, hello.oldest, hello.seq) : goLive()),
    gap: missed,
    failed: ({ refused, text }) => (refused ? signOut(refused) : notice(text)),
    caughtUp: goLive,
  });
  Object.assign(player, { speed, playing });
  app.player = player;
  reopen();
  dirty();
}

/** Feeds a vehicle's history from wherever the events come just now; what is returned ends that with `close()`. */
function follow(vin, history) {
  const take = (event) => {
    history.take(event);
    dirty();
  };
  const { player, stream } = app;
  const events = HISTORY * Math.max(1, app.fleet.vehicles.size);
  if (player) {
    const reel = player.follow(vin, events, take);
    return { close: () => player.leave(reel) };
  }
  if (!stream?.known) {
    // The log's place is not known before the first hello: then it is.
    const timer = setTimeout(() => vehicleView.vin === vin && vehicleView.history === history && vehicleView.show(vin), 100);
    return { close: () => clearTimeout(timer) };
  }
  const since = Math.max(0, timebar.oldest - 1, timebar.head - events);
  return new Stream(app.token, { vin, since, epoch: stream.known }, { event: take });
}

// ---- the token

function signOut(text = "") {
  leave();
  app.player = null;
  app.state = "idle";
  tokens.forget();
  mark($("link"), "data-state", "idle");
  say($("link-text"), "Not connected");
  mark(document.body, "data-link", false);
  $("renew").hidden = true;
  say($("sign-in-fault"), text);
  vehicleView.show(null);
  show("sign-in");
  $("token").focus();
}

$("sign-in-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const token = tokens.clean($("token").value);
  const { exp } = token ? tokens.claims(token) : {};
  const fault = !token ? "This is no token: one has two dots in it." : exp * 1000 < app.clock.now() ? "This token has expired." : "";
  say($("sign-in-fault"), fault);
  if (fault) return;
  $("token").value = "";
  tokens.keep(token);
  route();
});

let expiresAt = NaN;

function expiring(exp) {
  expiresAt = exp * 1000;
  $("renew").hidden = false;
  countDown();
}

function countDown() {
  if (!$("renew").hidden) say($("renew-left"), `in ${Math.max(0, Math.round((expiresAt - app.clock.now()) / 1000))} s`);
}

let offered = null;

$("renew").addEventListener("submit", (event) => {
  event.preventDefault();
  offered = tokens.clean($("renew-token").value);
  $("renew-token").value = "";
  if (!offered) {
    notice("That was no token.");
    return;
  }
  app.stream?.renew(offered);
  vehicleView.source?.renew?.(offered);
});

function renewed() {
  tokens.keep(offered);
  $("renew").hidden = true;
  notice("The new token is in use.");
}

function notRenewed(reason) {
  notice(`The server does not take this token: ${reason}.`);
}

// ---- the rest of the page

function notice(text) {
  const close = el("button", { class: "ghost", "aria-label": "Dismiss", click: () => node.remove() }, "✕");
  const node = el("p", {}, el("span", {}, text), close);
  $("notices").append(node);
  if ($("notices").children.length > 4) $("notices").firstChild.remove();
  setTimeout(() => node.remove(), NOTICE_MS);
}

const darkness = matchMedia("(prefers-color-scheme: dark)");

function chooseTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  forgetColours();
  redraw();
}

function redraw() {
  say($("units"), units.metric ? "km" : "mi");
  grid.refresh();
  vehicleView.touched();
}

const grid = new Grid(app, (vin) => (location.hash = `#/v/${vin}`));
const vehicleView = new VehicleView(app);
const diagnostics = new Diagnostics(app);
const timebar = new Timebar({
  token: app.token,
  live: () => (app.player ? goLive() : undefined),
  seek: (seq) => seek(seq, app.player?.playing ?? true),
  play: () => (app.player.playing = true),
  pause: () => (app.player ? (app.player.playing = false) : seek(timebar.head, false)),
  speed: (times) => app.player && (app.player.speed = times),
});

$("sign-out").addEventListener("click", () => signOut());
$("theme").addEventListener("click", () => {
  const shown = document.documentElement.dataset.theme ?? (darkness.matches ? "dark" : "light");
  localStorage.setItem("teslafast.theme", shown === "dark" ? "light" : "dark");
  chooseTheme(localStorage.getItem("teslafast.theme"));
});
$("units").addEventListener("click", () => {
  chooseUnits(!units.metric);
  redraw();
});
addEventListener("keydown", (event) => {
  const typing = /^(?:INPUT|SELECT|TEXTAREA)$/.test(document.activeElement?.tagName ?? "");
  if (event.key === "/" && view === "fleet" && !typing) {
    event.preventDefault();
    $("search").focus();
  }
  if (event.key === "Escape" && view === "vehicle" && !typing && !diagnostics.open) location.hash = "#/";
});
darkness.addEventListener("change", () => chooseTheme());
addEventListener("resize", redraw);
addEventListener("hashchange", route);
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && app.stream?.retry());

chooseTheme(localStorage.getItem("teslafast.theme"));
route();

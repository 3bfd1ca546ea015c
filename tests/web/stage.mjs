/**
 * A browser's globals for modules that run without one: a WebSocket that the test speaks for, a fetch that it answers, a clock
 * that stands still until `pass` moves it.
 */

import { afterEach, beforeEach, mock } from "node:test";

export class FakeSocket {
  static OPEN = 1;
  static made = [];

  constructor(url, protocols) {
    Object.assign(this, { url: new URL(url), protocols, readyState: 0, sent: [], closed: false });
    FakeSocket.made.push(this);
  }

  static get last() {
    return FakeSocket.made.at(-1);
  }

  open() {
    this.readyState = FakeSocket.OPEN;
    this.onopen?.();
  }

  say(...messages) {
    for (const message of messages) this.onmessage?.({ data: JSON.stringify(message) });
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  lose(code = 1006, reason = "") {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }

  close() {
    this.closed = true;
    this.readyState = 3;
  }
}

export const answers = { status: 200, headers: new Map() };

Object.defineProperty(globalThis, "navigator", { value: { language: "de-DE" }, configurable: true });
Object.assign(globalThis, {
  WebSocket: FakeSocket,
  location: { href: "https://host.example/#/", protocol: "https:", hash: "", pathname: "/", search: "" },
  localStorage: { getItem: () => null, setItem: () => undefined },
  addEventListener: () => undefined,
  removeEventListener: () => undefined,
  fetch: async () => answers,
});

/** Lets everything that waits for a promise go on. */
export const settle = async () => {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
};

/** A module of the page, by its path below web/. */
export const web = (path) => import(new URL(`../../teslafast/web/${path}.js`, import.meta.url));

export const START = Date.parse("2026-11-23T08:00:00Z");
export const at = (seconds) => new Date(START + seconds * 1000).toISOString();
export const data = (seq, seconds, fields = { VehicleSpeed: seq }, vin = "A") => ({ type: "data", seq, vin, createdAt: at(seconds), data: fields, isResend: false });
export const hello = (seq, epoch = "e1", oldest = 1) => ({ type: "hello", epoch, seq, oldest, server: "teslafast/0" });

let clock = 0;

/** Called once by a test file: time stands still in each of its tests, and every wait is drawn at its longest. */
export function stopTheClock() {
  beforeEach(() => {
    FakeSocket.made.length = 0;
    Object.assign(answers, { status: 200, headers: new Map() });
    clock = 0;
    mock.timers.enable({ apis: ["setTimeout", "Date"], now: START });
    mock.method(performance, "now", () => clock);
    mock.method(Math, "random", () => 1);
  });
  afterEach(() => {
    mock.timers.reset();
    mock.restoreAll();
  });
}

/** Lets so much time pass, and whatever waited for it run. */
export async function pass(ms) {
  clock += ms;
  mock.timers.tick(ms);
  await settle();
}

/** Moves performance.now() alone. */
export const drift = (ms) => (clock += ms);

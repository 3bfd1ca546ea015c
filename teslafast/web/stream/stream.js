/**
 * One subscription to /stream that outlives its sockets.
 *
 *   socket lost ──▶ retryDelay (backoff.js) ──▶ socket with since=seq&epoch=epoch ──▶ what was missed, then live
 *
 * Law: each event of the log reaches `on.event` once and in order for as long as the server still holds it; what it holds no
 * more is reported to `on.gap`. `seq` is the last place in the log that this subscription has been given.
 */

import { retryDelay } from "./backoff.js";
import { failureReason } from "./http.js";

const PROBE_MS = 8000; // how often the way to the server and back is timed
const SILENT_MS = 12_000; // a probe unanswered for so long: the socket is dead, whatever TCP thinks
const BUSY_MS = 5000; // 1013: give an overloaded server time
const POLICY = 1008; // close codes of WebSocket
const RESTART = 1012;
const OVERLOAD = 1013;

/** The address of the stream with these query fields; null ones are left out. */
export function streamUrl(query) {
  const url = new URL("stream", location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  for (const [name, value] of Object.entries(query)) if (value !== null && value !== undefined) url.searchParams.set(name, value);
  return url.href;
}

/** A token cannot go into a browser's WebSocket as a header, and must not go into an address: it goes as a subprotocol. */
export const openSocket = (query, token) => new WebSocket(streamUrl(query), ["teslafast.v1", `bearer.${token}`]);

/** Closes a socket; one that is not open yet is left to open first, for browsers complain on the console of one that is closed before. */
function endSocket(socket) {
  if (socket.readyState === WebSocket.CONNECTING) socket.onopen = () => socket.close();
  else socket.close();
}

export class Stream {
  /**
   * token    () => the token to use now
   * query    { vin, since, epoch } as /stream takes them; all may be absent
   * on       { event(message, bytes), hello(message), gap(message), expiring(exp), renewed(exp), refused(reason),
   *            state("connecting" | "live" | "waiting" | "ended", { text, until }) , roundTrip(ms) }; all but event may be absent
   */
  constructor(token, query, on) {
    this.token = token;
    this.vin = query.vin ?? null;
    this.seq = query.since ?? null;
    this.epoch = query.epoch ?? null;
    this.on = on;
    this.attempt = 0;
    this.connects = 0;
    this.timers = {};
    this.retry = () => this.state === "waiting" && this.#connect();
    addEventListener("online", this.retry);
    this.#connect();
  }

  /** Ends it for good. */
  close() {
    this.#become("ended", {});
    removeEventListener("online", this.retry);
    this.#clear();
    if (this.socket) endSocket(this.socket);
  }

  /** Another token in place of the present one, in-band: the stream goes on. */
  renew(token) {
    this.#send({ type: "auth", token });
  }

  #connect() {
    this.#clear();
    this.#become("connecting", {});
    const query = { vin: this.vin, since: this.seq, epoch: this.seq === null ? null : this.epoch, snapshot: 1 };
    const socket = (this.socket = openSocket(query, this.token()));
    let opened = false;
    socket.onopen = () => (opened = true);
    socket.onmessage = ({ data }) => this.socket === socket && this.#take(JSON.parse(data), data.length);
    socket.onclose = ({ code, reason }) => this.socket === socket && this.state !== "ended" && this.#lost(opened, code, reason);
  }

  async #lost(opened, code, reason) {
    this.#clear();
    if (code === POLICY) return this.#end(reason || "the server closed the connection");
    let least = code === OVERLOAD ? BUSY_MS : 0;
    let text = code === RESTART ? "Server restarting" : "Connection lost";
    if (!opened) {
      this.#become("waiting", { text });
      const why = await failureReason(this.token());
      if (this.state === "ended") return undefined;
      if (why.refused) return this.#end(why.refused);
      ({ least, text } = why);
    }
    const ms = retryDelay(this.attempt++, least);
    this.#become("waiting", { text, until: Date.now() + ms });
    this.timers.again = setTimeout(() => this.#connect(), ms);
    return undefined;
  }

  #end(text) {
    this.close();
    this.on.state?.("ended", { text });
  }

  #become(state, detail) {
    this.state = state;
    if (state !== "ended") this.on.state?.(state, detail);
  }

  #clear() {
    for (const timer of Object.values(this.timers)) clearTimeout(timer);
    this.timers = {};
  }

  #take(message, bytes) {
    if (this.state === "ended") return;
    switch (message.type) {
      case "hello":
        this.#hello(message);
        break;
      case "gap":
        this.seq = Math.max(this.seq ?? 0, message.to);
        this.on.gap?.(message);
        break;
      case "pong":
        this.#answered();
        break;
      case "auth":
        this.on.renewed?.(message.exp);
        break;
      case "token_expiring":
        this.on.expiring?.(message.exp);
        break;
      case "error":
        this.on.refused?.(message.reason); // a renewal is all that the server can find fault with
        break;
      default:
        if (message.type !== "snapshot" && message.seq !== undefined) this.seq = message.seq;
        this.on.event(message, bytes);
    }
  }

  #hello(message) {
    if (this.epoch !== message.epoch) this.seq = this.epoch === null ? (this.seq ?? message.seq) : null;
    this.seq ??= 0;
    this.epoch = message.epoch;
    this.attempt = 0;
    this.connects += 1;
    this.on.hello?.(message);
    this.#become("live", {});
    this.#probe();
  }

  /** A message that is answered: a browser lets no page send WebSocket's own ping. */
  #probe() {
    this.probedAt = performance.now();
    this.#send({ type: "ping" });
    this.timers.silent = setTimeout(() => this.#abandon(), SILENT_MS);
  }

  #answered() {
    clearTimeout(this.timers.silent);
    this.on.roundTrip?.(performance.now() - this.probedAt);
    this.timers.probe = setTimeout(() => this.#probe(), PROBE_MS);
  }

  /** A dead socket is not waited for: its close event can take minutes. */
  #abandon() {
    const { socket } = this;
    this.socket = null;
    socket.close();
    this.#lost(true, 1006, "");
  }

  #send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }
}

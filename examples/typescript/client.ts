/**
 * A dashboard's client for teslafast's /stream, for browsers and Node.js 22, without a dependency: it resumes after a break, says what
 * it missed, notices a new log, renews its token, and backs off. The numbers in the comments are the rules of docs/stream.md.
 *
 *     const stream = new Stream("wss://telemetry.example.com/stream", () => token, (event) => console.log(event));
 *     stream.start();
 */
import type { Data, Event, Gap, Hello, Message, Snapshot } from "../../docs/teslafast.d.ts";

const QUIET_MS = 20_000; // then we ask whether anybody is there; after as long again the line counts as dead

export type News = Event | Gap; // what came that is new, and what was lost
export type Token = () => string | Promise<string>; // one that is good now: asked for at each connection, and when one is about to end

export class Stream {
  readonly values = new Map<string, Data["data"]>(); // VIN -> field -> last known value
  epoch: string | undefined;
  last = 0; // 1.
  readonly #seen = new Map<string, number>(); // 4. VIN and type -> seq
  readonly #measured = new Map<string, Map<string, string>>(); // VIN -> field -> createdAt
  readonly #snapshotAt = new Map<string, number>(); // 5. VIN -> seq
  readonly #url: string;
  readonly #token: Token;
  readonly #onNews: (news: News) => void;
  readonly #query: Record<string, string>;
  #socket: WebSocket | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asked = false;
  #attempt = 0;
  #running = false;
  #whole = false; // 2. all snapshots that were due have come

  constructor(url: string, token: Token, onNews: (news: News) => void, query: Record<string, string> = {}) {
    this.#url = url;
    this.#token = token;
    this.#onNews = onNews;
    this.#query = query;
  }

  start(): void {
    this.#running = true;
    void this.#connect();
  }

  stop(): void {
    this.#running = false;
    clearTimeout(this.#timer);
    this.#socket?.close(1000);
  }

  async #connect(): Promise<void> {
    try {
      const token = await this.#token();
      if (!this.#running) return;
      const query = new URLSearchParams(this.#query);
      if (this.epoch !== undefined) {
        query.set("since", String(this.last)); // 2.
        query.set("epoch", this.epoch);
        if (!this.#whole) query.set("snapshot", "1");
      }
      const socket = new WebSocket(`${this.#url}?${query}`, ["teslafast.v1", `bearer.${token}`]);
      this.#socket = socket;
      socket.onmessage = ({ data }) => socket === this.#socket && this.#heard(JSON.parse(data as string) as Message);
      socket.onclose = socket.onerror = () => socket === this.#socket && this.#comeBack();
      this.#watch();
    } catch {
      this.#comeBack(); // no token just now
    }
  }

  /** 6. The browser does not say why a connection was refused: a wrong token looks like a server that is away. */
  #comeBack(): void {
    clearTimeout(this.#timer);
    this.#socket = undefined;
    if (!this.#running) return;
    const ceiling = Math.min(30_000, 500 * 2 ** Math.min(this.#attempt++, 6));
    this.#timer = setTimeout(() => void this.#connect(), ceiling * (0.5 + Math.random() / 2));
  }

  /** The server's pings cannot be seen here: silence is answered with a question. */
  #watch(): void {
    clearTimeout(this.#timer);
    this.#asked = false;
    this.#timer = setTimeout(() => this.#onQuiet(), QUIET_MS);
  }

  #onQuiet(): void {
    const open = this.#socket?.readyState === WebSocket.OPEN;
    if (this.#asked || !open) {
      this.#socket?.close();
      return this.#comeBack();
    }
    this.#asked = true;
    this.#socket?.send('{"type":"ping"}');
    this.#timer = setTimeout(() => this.#onQuiet(), QUIET_MS);
  }

  #heard(message: Message): void {
    this.#watch();
    if (message.type === "hello") this.#begin(message);
    else if (message.type === "snapshot") this.#replace(message);
    else if (message.type === "token_expiring") this.#renew().catch(() => undefined); // without one the connection ends, and we ask again
    else if (message.type === "gap") {
      [this.last, this.#whole] = [message.to, false];
      this.#onNews(message);
    } else if ("vin" in message && this.#isNew(message)) this.#onNews(message);
  }

  async #renew(): Promise<void> {
    const token = await this.#token();
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ type: "auth", token }));
  }

  #begin(hello: Hello): void {
    this.#attempt = 0;
    if (this.epoch === undefined) this.last = hello.seq;
    else if (this.epoch !== hello.epoch) {
      // 3. Another log: nothing that was remembered means anything there.
      [this.last, this.#whole] = [0, false];
      for (const memory of [this.values, this.#seen, this.#measured, this.#snapshotAt]) memory.clear();
    }
    this.epoch = hello.epoch;
  }

  #replace({ vin, seq, createdAt, data }: Snapshot): void {
    this.values.set(vin, { ...data });
    this.#measured.set(vin, new Map(Object.keys(data).map((field) => [field, createdAt])));
    this.#snapshotAt.set(vin, seq);
  }

  #isNew(event: Event): boolean {
    [this.last, this.#whole] = [Math.max(this.last, event.seq), true];
    const key = `${event.vin} ${event.type}`;
    if (event.seq <= (this.#seen.get(key) ?? 0)) return false;
    this.#seen.set(key, event.seq);
    if (event.type === "data" && event.seq > (this.#snapshotAt.get(event.vin) ?? 0)) this.#merge(event);
    return true;
  }

  /** What a vehicle sends late does not take the place of what it has measured since. */
  #merge({ vin, createdAt, data, isResend }: Data): void {
    const measured = this.#measured.get(vin) ?? new Map<string, string>();
    const at = createdAt ?? ""; // null: the vehicle gave no time
    const isFresh = (field: string): boolean => !isResend || at >= (measured.get(field) ?? "");
    const fresh = Object.fromEntries(Object.entries(data).filter(([field]) => isFresh(field)));
    this.#measured.set(vin, new Map([...measured, ...Object.keys(fresh).map((field): [string, string] => [field, at])]));
    this.values.set(vin, { ...this.values.get(vin), ...fresh });
  }
}

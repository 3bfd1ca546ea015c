/** A browser's globals for modules that run without one: a WebSocket that the test speaks for, a fetch that it answers. */

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

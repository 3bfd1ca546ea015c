/**
 * What this browser keeps for the page, and a variable where it keeps nothing.
 *
 * Law: nothing here throws. A browser that blocks storage (all cookies blocked, a frame in a sandbox, a WebView without) throws as
 * soon as it is named; the page then works as it does elsewhere, until it is closed.
 */

const spare = new Map(); // what could not be kept

function attempt(kind, act) {
  try {
    return act(globalThis[kind]);
  } catch {
    return undefined; // blocked, or full: `spare` has it
  }
}

/** `kind`: "localStorage" (this browser) or "sessionStorage" (this tab). */
class Store {
  constructor(kind) {
    this.kind = kind;
  }

  /** The text kept under this key, or null. */
  get(key) {
    return spare.get(key) ?? attempt(this.kind, (storage) => storage.getItem(key)) ?? null;
  }

  set(key, text) {
    spare.set(key, text);
    if (attempt(this.kind, (storage) => storage.setItem(key, text) ?? true)) spare.delete(key);
  }

  remove(key) {
    spare.delete(key);
    attempt(this.kind, (storage) => storage.removeItem(key));
  }
}

export const browserStore = new Store("localStorage");
export const tabStore = new Store("sessionStorage");

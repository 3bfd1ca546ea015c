/** Where the token is kept: in the tab, unless the reader wants more. */

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { web } from "../stage.mjs";

class FakeStorage extends Map {
  getItem = (key) => this.get(key) ?? null;
  setItem = (key, text) => void this.set(key, text);
  removeItem = (key) => void this.delete(key);
}

const tab = new FakeStorage();
const browser = new FakeStorage();
Object.defineProperty(globalThis, "sessionStorage", { value: tab, configurable: true });
Object.defineProperty(globalThis, "localStorage", { value: browser, configurable: true });
globalThis.history = { replaceState: (state, title, address) => Object.assign(location, { hash: `#${address.split("#")[1]}` }) };
const { forgetToken, isRemembered, keepToken, keptToken, rememberToken, whenLinked } = await web("app/kept_token");

const link = (token) => {
  location.hash = `#token=${token}`;
  return keptToken();
};

beforeEach(() => {
  tab.clear();
  browser.clear();
  location.hash = "#/";
});

test("a token stays in the tab, and the browser keeps nothing", () => {
  keepToken("a.b.c");
  assert.deepEqual([keptToken(), isRemembered(), browser.size], ["a.b.c", false, 0]);
  tab.clear(); // the tab is closed
  assert.equal(keptToken(), null);
});

test("a remembered token is there in the next tab, until it is forgotten everywhere", () => {
  keepToken("a.b.c");
  rememberToken();
  tab.clear();
  assert.deepEqual([keptToken(), isRemembered()], ["a.b.c", true]);
  forgetToken();
  assert.deepEqual([keptToken(), tab.size, browser.size], [null, 0, 0]);
});

test("a renewed token takes the remembered one's place, and only that one's", () => {
  keepToken("a.b.c");
  rememberToken();
  keepToken("d.e.f");
  assert.deepEqual([...browser.values()], ["d.e.f"]);
  link("g.h.i");
  keepToken("j.k.l");
  assert.deepEqual([keptToken(), ...browser.values()], ["j.k.l", "d.e.f"]);
});

test("a link's token is the tab's alone, is told of, and leaves the address", () => {
  let told = 0;
  whenLinked(() => (told += 1));
  keepToken("a.b.c");
  rememberToken();
  assert.equal(link("g.h.i"), "g.h.i");
  assert.deepEqual([location.hash, told, isRemembered(), ...browser.values()], ["#/", 1, false, "a.b.c"]);
  assert.equal(keptToken(), "g.h.i");
  assert.equal(told, 1);
});

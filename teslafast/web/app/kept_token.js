/**
 * The token, and for how long this browser keeps it: until the tab closes, or until it expires if the reader wants that.
 *
 * Law: it is kept in the tab alone unless the reader has said "remember on this device". One that stands in the address's fragment
 * (`#token=`, which a browser never sends) leaves the address and its history at once, and is the tab's alone: a link that somebody
 * sends cannot take a remembered token's place. No URL that the page asks for holds a token.
 */

import { browserStore, tabStore } from "../views/storage.js";

const KEY = "teslafast.token";

let onArrival = () => undefined;

/** The token in use, or null. One in the fragment is taken from there. */
export function keptToken() {
  const found = /[#&]token=([^&]+)/.exec(location.hash);
  if (found) {
    tabStore.set(KEY, decodeURIComponent(found[1]));
    history.replaceState(null, "", `${location.pathname}${location.search}#/`);
    onArrival();
  }
  return tabStore.get(KEY) ?? browserStore.get(KEY);
}

/** `callback()` is called each time that a link has brought a token. */
export const whenLinked = (callback) => (onArrival = callback);

/** Whether the token in use is kept for the next time, too. */
export const isRemembered = () => browserStore.get(KEY) !== null && browserStore.get(KEY) === keptToken();

/** A new token in the place of the one in use, for as long as that one was to be kept. */
export function keepToken(token) {
  if (isRemembered()) browserStore.set(KEY, token);
  tabStore.set(KEY, token);
}

/** Keeps the token in use for the next time, too. */
export function rememberToken() {
  const token = keptToken();
  if (token) browserStore.set(KEY, token);
}

/** It is kept nowhere any more. */
export function forgetToken() {
  tabStore.remove(KEY);
  browserStore.remove(KEY);
}

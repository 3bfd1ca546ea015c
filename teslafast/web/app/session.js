/**
 * Who is signed in: the token, the form that asks for it, and its renewal before it expires.
 *
 * Law: the token is pasted, or stands in the address's fragment (`#token=`), which a browser never sends. It is kept in this tab
 * alone, leaves the address and its history at once, and stands in no URL. A new token replaces the kept one only after the
 * server has accepted it.
 */

import { $, setText } from "../views/dom.js";
import { tabStore } from "../views/storage.js";
import { notice } from "./notices.js";

const KEY = "teslafast.token";

/** The token of this tab, or null. One in the fragment is taken from there, so that it is not in the history either. */
export function keptToken() {
  const found = /[#&]token=([^&]+)/.exec(location.hash);
  if (found) {
    keepToken(decodeURIComponent(found[1]));
    history.replaceState(null, "", `${location.pathname}${location.search}#/`);
  }
  return tabStore.get(KEY);
}

const keepToken = (token) => tabStore.set(KEY, token);

/** The token in a pasted text, without what people paste along with it; null if there is none. */
export function findToken(text) {
  const found = /[\w-]+\.[\w-]+\.[\w-]*/.exec(text.replace(/\s+/g, ""));
  return found && found[0];
}

/** A token's claims as it states them itself (the server checks them); {} if they cannot be read. */
export function claims(token) {
  try {
    const middle = token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
    const bytes = Uint8Array.from(atob(middle), (character) => character.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return {};
  }
}

export class Session {
  /** `on`: { now() → server's time, signedIn(), signedOut(), renew(token): offer it to the server in place of the present one } */
  constructor(on) {
    this.on = on;
    this.expiresAt = NaN;
    this.offered = null; // a token that the server has not answered yet
    $("sign-in-form").addEventListener("submit", (event) => this.#signIn(event));
    $("sign-out").addEventListener("click", () => this.signOut());
    $("renew").addEventListener("submit", (event) => this.#renew(event));
  }

  #signIn(event) {
    event.preventDefault();
    const token = findToken($("token").value);
    const { exp } = token ? claims(token) : {};
    const fault = !token ? "This is not a token: a token has two dots in it." : exp * 1000 < this.on.now() ? "This token has expired." : "";
    setText($("sign-in-fault"), fault);
    if (fault) return;
    $("token").value = "";
    keepToken(token);
    this.on.signedIn();
  }

  /** `text`: why, if it was not the reader's wish. */
  signOut(text = "") {
    tabStore.remove(KEY);
    $("renew").hidden = true;
    setText($("sign-in-fault"), text && text[0].toUpperCase() + text.slice(1));
    this.on.signedOut();
    $("token").focus();
  }

  /** The server says when (seconds since 1970) the token expires, some time before. */
  expiring(exp) {
    this.expiresAt = exp * 1000;
    $("renew").hidden = false;
    this.countDown();
  }

  /** Shows the seconds left; called every second. */
  countDown() {
    if (!$("renew").hidden) setText($("renew-left"), `in ${Math.max(0, Math.round((this.expiresAt - this.on.now()) / 1000))} s`);
  }

  #renew(event) {
    event.preventDefault();
    this.offered = findToken($("renew-token").value);
    $("renew-token").value = "";
    if (this.offered) this.on.renew(this.offered);
    else notice("That is not a token.");
  }

  renewed() {
    keepToken(this.offered);
    $("renew").hidden = true;
    notice("The new token is in use.");
  }

  refused(reason) {
    notice(`The server rejected this token: ${reason}.`);
  }
}

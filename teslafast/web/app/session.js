/**
 * Who is signed in: the token, the form that asks for it, whether it is remembered, and its renewal before it expires.
 *
 * Law: the token is pasted, or comes in a link; kept_token.js says where it is kept. A new token replaces the kept one only after
 * the server has accepted it. A token is remembered on this device only if the reader says so, each time that they sign in.
 */

import { $, setText } from "../views/dom.js";
import { forgetToken, isRemembered, keepToken, rememberToken, whenLinked } from "./kept_token.js";
import { notice } from "./notices.js";

/** The token in a pasted text, without what people paste along with it; null if there is none. */
export function findToken(text) {
  const bare = text.replace(/\s+/g, "");
  const found = /[\w-]+\.[\w-]+\.[\w-]*/.exec(bare.split("token=").at(-1)); // of a whole link the token, not the host's name
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
    $("remember-offer").addEventListener("submit", (event) => this.#answerOffer(event));
    whenLinked(() => ($("remember-offer").hidden = isRemembered()));
  }

  #signIn(event) {
    event.preventDefault();
    const token = findToken($("token").value);
    const { exp } = token ? claims(token) : {};
    const fault = !token ? "That does not look like a token. A token has three parts, separated by dots." : exp * 1000 < this.on.now() ? "This token has expired." : "";
    setText($("sign-in-fault"), fault);
    if (fault) return;
    $("token").value = "";
    forgetToken();
    keepToken(token);
    if ($("remember").checked) rememberToken();
    $("remember").checked = false;
    this.on.signedIn();
  }

  /** Who came by a link has seen no form: they are asked once they are in. */
  #answerOffer(event) {
    event.preventDefault();
    $("remember-offer").hidden = true;
    if (event.submitter?.value !== "yes") return;
    rememberToken();
    notice("This device stays signed in until the token expires or you sign out.");
  }

  /** `text`: why, if it was not the reader's wish. */
  signOut(text = "") {
    forgetToken();
    $("renew").hidden = $("remember-offer").hidden = true;
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
    else notice("That does not look like a token. A token has three parts, separated by dots.");
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

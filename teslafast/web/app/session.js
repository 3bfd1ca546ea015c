/**
 * The token: pasted, or in the address's fragment (`#token=`), which a browser never sends; kept in this tab alone.
 */

const KEY = "teslafast.token";

/** The token of this tab, or null. One in the fragment is taken from there, so that it is not in the history either. */
export function kept() {
  const found = /[#&]token=([^&]+)/.exec(location.hash);
  if (found) {
    keep(decodeURIComponent(found[1]));
    history.replaceState(null, "", `${location.pathname}${location.search}#/`);
  }
  return sessionStorage.getItem(KEY);
}

export const keep = (token) => sessionStorage.setItem(KEY, token);

export const forget = () => sessionStorage.removeItem(KEY);

/** What was pasted, freed of what people paste along with a token; null if no token stands in it. */
export function clean(text) {
  const found = /[\w-]+\.[\w-]+\.[\w-]*/.exec(text.replace(/\s+/g, ""));
  return found && found[0];
}

/** A token's claims as it says them itself (the server is who checks them); {} if they cannot be read. */
export function claims(token) {
  try {
    const middle = token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
    const bytes = Uint8Array.from(atob(middle), (character) => character.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return {};
  }
}

/**
 * Plain requests to the page's own server: JSON, and the reason why it opens no stream.
 *
 * Law: nothing here throws. A network that fails is an answer, too (status 0), and JSON that cannot be had is null.
 */

const FULL_S = 5; // a full server that does not say when to come back

/** The server's answer to a request with this token. Cookies go along: not our server's, which has none, but those of a proxy that asks for its own. */
async function request(path, token, method = "GET") {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  try {
    return await fetch(path, { method, headers, cache: "no-store", credentials: "same-origin" });
  } catch {
    return { status: 0, ok: false };
  }
}

/** The JSON at a path; null if it cannot be had, or is cut off on the way. */
export async function getJson(path, token) {
  const answer = await request(path, token);
  return answer.ok ? answer.json().catch(() => null) : null;
}

/**
 * Why no stream could be opened: a WebSocket does not say, a plain request with the same token does.
 * Returns { refused: text } where the reader has to give another token, else { least: ms to wait, text }.
 */
export async function failureReason(token) {
  const answer = await request("vehicles", token, "HEAD");
  if (answer.status === 401) return { refused: "The server rejected this token: it has expired, or it belongs to another server." };
  if (answer.status === 403) return { refused: "The server does not allow this token, or this page's origin." };
  if (answer.status === 503) {
    const seconds = Number(answer.headers.get("Retry-After")) || FULL_S;
    return { least: seconds * 1000, text: "Server full or restarting" };
  }
  return { least: 0, text: answer.status ? "Stream unavailable" : "Server unreachable" };
}

/**
 * How long to wait before the next try, and why the last one failed.
 *
 * Doubling from FIRST_MS to MOST_MS, each wait drawn between its half and its whole, so that a thousand pages do not come back
 * to a restarted server in the same instant.
 */

const FIRST_MS = 500;
const MOST_MS = 15_000;

/** ms before try number `attempt` (0, 1, …); `least`: what the server asked for. */
export function wait(attempt, least = 0, chance = Math.random()) {
  const whole = Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(attempt, 10));
  return Math.max(least, whole * (0.5 + chance / 2));
}

/** The server's answer to a plain request with this token; a network that fails is status 0. */
export async function ask(path, token, method = "GET") {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  try {
    return await fetch(path, { method, headers, cache: "no-store", credentials: "omit" });
  } catch {
    return { status: 0, ok: false };
  }
}

/** The JSON at a path; null if it cannot be had, or is cut off on the way. */
export async function told(path, token) {
  const answer = await ask(path, token);
  return answer.ok ? answer.json().catch(() => null) : null;
}

/**
 * Why no stream could be opened: a WebSocket does not say, a plain request with the same token does.
 * Returns { refused: text } where a token is to be asked for, else { least: ms to wait, text }.
 */
export async function diagnose(token) {
  const answer = await ask("/vehicles", token, "HEAD");
  if (answer.status === 401) return { refused: "The server does not accept this token: it has expired, or is another server's." };
  if (answer.status === 403) return { refused: "The server does not let this token or this page in." };
  if (answer.status === 503) {
    const seconds = Number(answer.headers.get("Retry-After")) || 5;
    return { least: seconds * 1000, text: "Server full or restarting" };
  }
  return { least: 0, text: answer.status ? "No stream" : "Server unreachable" };
}

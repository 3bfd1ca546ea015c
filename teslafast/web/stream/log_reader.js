/**
 * A page of the log, read once: what stands after `since`, up to a number of events or to the log's present end.
 *
 * A browser cannot tell a WebSocket to wait, so a replay does not sit on one stream: it reads a page, lets go, and reads the
 * next when it needs it (replay/event_queue.js). Law: what is held is bounded, however long the log.
 */

import { failureReason } from "./http.js";
import { openSocket } from "./stream.js";

const IDLE_MS = 500; // a stream of one vehicle does not say where the log ends: silence does

/**
 * Resolves to { events, hello, gap, atEnd }; rejects with { refused } or { text } as http.failureReason gives them.
 *
 * query    { vin, since, epoch }
 * most     events to read at most
 */
export const readLog = (token, query, most) => new Promise((resolve, reject) => {
  const socket = openSocket({ ...query, snapshot: 0 }, token);
  const got = { events: [], hello: null, gap: null };
  let idle = 0;
  const finish = (atEnd) => {
    clearTimeout(idle);
    socket.onclose = socket.onmessage = null;
    socket.close();
    resolve({ ...got, atEnd });
  };
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.type === "hello") got.hello = message;
    else if (message.type === "gap") got.gap = message;
    else if (message.seq !== undefined) got.events.push(message);
    const seq = message === got.hello ? query.since : (message.seq ?? message.to);
    clearTimeout(idle);
    if (seq >= got.hello.seq) finish(true);
    else if (got.events.length >= most) finish(false);
    else if (query.vin) idle = setTimeout(finish, IDLE_MS, true);
  };
  socket.onclose = async () => {
    clearTimeout(idle);
    if (got.hello) finish(false);
    else reject(await failureReason(token));
  };
});

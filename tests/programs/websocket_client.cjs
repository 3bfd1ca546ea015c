/**
 * A client by npm's `ws` or `websocket`, at the door of Tessie's clients or at that of TeslaMate's: it comes back whenever it is cut
 * off, and gives up when it is told that its token is no good. Prints a line of JSON for each thing that happens to it.
 *
 *   LIBRARY=ws|websocket  MODULES=folder of node_modules  DOOR=tessie|streaming|streaming-url  PORT=…  TOKEN=…  VIN=…
 */

const { join } = require("node:path");
const { LIBRARY, MODULES, DOOR, PORT, TOKEN, VIN } = process.env;
const library = require(join(MODULES, LIBRARY));
const AGAIN_MS = 200;
const HOST = `wss://localhost:${PORT}`;
const URLS = { tessie: `${HOST}/${VIN}?access_token=${TOKEN}`, streaming: `${HOST}/streaming/`, "streaming-url": `${HOST}/${TOKEN}/streaming/` };
const SUBSCRIPTION = JSON.stringify({ msg_type: "data:subscribe_oauth", token: DOOR === "streaming" ? TOKEN : "Tesla's", tag: VIN, value: "soc" });

const print = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

function giveUp() {
  print({ ended: "token" });
  process.exit();
}

/** What a message means, in the shape of the stream's events; the second hello says that the subscription is there. */
function take(text, binary, hellos) {
  const said = JSON.parse(text);
  if (DOOR === "tessie") {
    if (binary) throw new Error("Tessie's messages are text");
    const soc = (said.data ?? []).find((datum) => datum.key === "Soc");
    if (soc) print({ event: { data: { Soc: Object.values(soc.value)[0] } } });
    return hellos;
  }
  if (!binary) throw new Error("messages of the Owner API's stream are binary");
  if (said.msg_type === "data:error") giveUp();
  if (said.msg_type === "data:update") print({ event: { data: { Soc: Number(said.value.split(",")[1]) } } });
  else if (hellos === 1) print({ event: { subscribed: true } });
  return hellos + 1;
}

function ended(code) {
  print({ closed: code });
  setTimeout(connect, AGAIN_MS);
}

const refused = (words) => (/\b401\b/.test(words) ? giveUp() : setTimeout(connect, AGAIN_MS));

function opened(send) {
  if (DOOR === "tessie") print({ event: { subscribed: true } });
  else send(SUBSCRIPTION);
}

function byWs() {
  let hellos = 0;
  let open = false;
  const socket = new library.WebSocket(URLS[DOOR]);
  socket.on("open", () => opened((text) => socket.send(text), (open = true)));
  socket.on("message", (data, binary) => (hellos = take(data.toString(), binary, hellos)));
  socket.on("error", (error) => open || refused(error.message));
  socket.on("close", (code) => open && ended(code));
}

function byWebsocket() {
  let hellos = 0;
  const client = new library.client();
  client.on("connectFailed", (error) => refused(String(error)));
  client.on("connect", (connection) => {
    connection.on("message", ({ type, utf8Data, binaryData }) => (hellos = take((utf8Data ?? binaryData).toString(), type === "binary", hellos)));
    connection.on("error", () => undefined); // "close" follows
    connection.on("close", ended);
    opened((text) => connection.sendUTF(text));
  });
  client.connect(URLS[DOOR]);
}

const connect = LIBRARY === "ws" ? byWs : byWebsocket;
connect();

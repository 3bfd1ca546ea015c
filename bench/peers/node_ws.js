// The server that one writes first: parse the event, loop over the clients, send to each. Usage: node node_ws.js PORT
'use strict';

const { WebSocketServer, WebSocket } = require('ws');

const server = new WebSocketServer({ port: Number(process.argv[2]), host: '127.0.0.1', perMessageDeflate: false, backlog: 1024 });
const dashboards = new Set();

function broadcast(event) {
  const text = JSON.stringify(event);
  for (const dashboard of dashboards) {
    if (dashboard.readyState === WebSocket.OPEN) dashboard.send(text);
  }
}

server.on('connection', (socket, request) => {
  if (request.url.startsWith('/stream')) {
    dashboards.add(socket);
    socket.on('close', () => dashboards.delete(socket));
  } else {
    socket.on('message', (data) => broadcast(JSON.parse(data)));
  }
});

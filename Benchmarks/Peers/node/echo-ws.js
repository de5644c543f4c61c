// SPDX-License-Identifier: Apache-2.0
// An echo server on ws; prints its port, and ends with its standard input.
'use strict';

let ws;
for (const from of ['ws', '/usr/share/nodejs/ws']) {
  try {
    ws = require(from);
    break;
  } catch {}
}
if (!ws) {
  console.error('ws is not installed (Debian: node-ws)');
  process.exit(3);
}

const Server = ws.WebSocketServer || ws.Server;
const server = new Server({ host: '127.0.0.1', port: 0, perMessageDeflate: false, backlog: 1024 });
server.on('listening', () => console.log(`port ${server.address().port}`));
server.on('connection', (socket) => {
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary !== false }));
});
process.stdin.resume().on('end', () => process.exit(0));

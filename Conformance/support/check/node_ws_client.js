// SPDX-License-Identifier: Apache-2.0
// zoo-name: Node ws
// zoo-roles: client
// zoo-apt: nodejs node-ws
// zoo-run: node {file}
// zoo-environment: NODE_PATH=/usr/share/nodejs
// Connects again and again, and echoes, until nobody listens any more.
'use strict';

const WebSocket = require('ws');

if (process.argv[2] === 'version') {
  console.log(require('ws/package.json').version);
  process.exit(0);
}

function next() {
  let isRefused = false;
  const socket = new WebSocket(process.argv[3], ['chat'], { maxPayload: 16 << 20 });
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  socket.on('error', (error) => { isRefused = error.code === 'ECONNREFUSED'; });
  socket.on('close', () => { if (!isRefused) setImmediate(next); });
}

next();

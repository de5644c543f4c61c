// SPDX-License-Identifier: Apache-2.0
// zoo-name: Node WebSocket
// zoo-roles: client
// zoo-run: node --no-warnings --experimental-websocket {file}
// zoo-cannot: client fragments-in: the interface of browsers sends whole messages
// zoo-cannot: client ping-in: the interface of browsers has no pings
// zoo-cannot: client close-1001-in: the interface of browsers closes with 1000 and 3000 to 4999
// zoo-cannot: client reset-in: the interface of browsers has no way to drop the connection
// zoo-cannot: client unread: the interface of browsers reads by itself
// zoo-cannot: client deflate deflate-all: the interface of browsers has one offer
'use strict';
// The WebSocket that is built into Node, of the API that browsers have.

const zoo = require('./zoo.js');

class Connection {
  constructor(ws) {
    this.ws = ws;
    this.inbox = new zoo.Inbox();
    ws.binaryType = 'arraybuffer';
    ws.addEventListener('message', ({ data }) => {
      if (typeof data === 'string') this.inbox.put('text', Buffer.from(data));
      else this.inbox.put('binary', Buffer.from(data));
    });
    ws.addEventListener('close', ({ code, reason }) => this.inbox.finish(code, reason));
  }
  get subprotocol() { return this.ws.protocol; }
  get extensions() { return this.ws.extensions; }
  send(kind, data) { this.ws.send(kind === 'text' ? data.toString() : data); }
  receive() { return this.inbox.receive(); }
  awaitClose() { return this.inbox.awaitClose(); }
  close(code, reason) {
    this.ws.close(code, reason);
    return this.awaitClose();
  }
}

function open(url, offer, subprotocols) {
  return new Promise((resolve, reject) => {
    const ws = new WebSocket(url, subprotocols);
    const connection = new Connection(ws);
    ws.addEventListener('open', () => resolve(connection));
    ws.addEventListener('error', (event) => reject(new Error(event.message || event.error?.message || 'not opened')));
  });
}

if (process.argv[2] === 'version') console.log(`Node ${process.version}, undici ${process.versions.undici}`, WebSocket.name);
else zoo.client(open);

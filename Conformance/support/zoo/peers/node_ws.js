// SPDX-License-Identifier: Apache-2.0
// zoo-name: Node ws
// zoo-roles: client server
// zoo-apt: nodejs node-ws
// zoo-run: node {file}
// zoo-environment: NODE_PATH=/usr/share/nodejs
'use strict';
// ws, the library that most of Node's users have.

const zoo = require('./zoo.js');
const WebSocket = require('ws');

const SIDES = ['server', 'client'];

class Connection {
  constructor(ws, target) {
    this.ws = ws;
    this.inbox = new zoo.Inbox();
    this.pong = new Promise((resolve) => ws.on('pong', (data) => {
      if (target) zoo.report('pong', target, data.toString());
      resolve();
    }));
    ws.on('message', (data, isBinary) => this.inbox.put(isBinary ? 'binary' : 'text', data));
    ws.on('close', (code, reason) => this.inbox.finish(code, reason.toString()));
    ws.on('error', () => {});
  }
  get subprotocol() { return this.ws.protocol; }
  get extensions() {
    const deflate = this.ws._extensions['permessage-deflate'];
    if (!deflate) return '';
    return ['permessage-deflate', ...Object.entries(deflate.params).map(([name, value]) => (value === true ? name : `${name}=${value}`))].join('; ');
  }
  #send(data, options) { return new Promise((resolve, reject) => this.ws.send(data, options, (error) => (error ? reject(error) : resolve()))); }
  send(kind, data) { return this.#send(data, { binary: kind === 'binary' }); }
  async sendUnread(kind, data, count) {
    this.ws.pause();
    for (; count > 0; count--) await this.send(kind, data);
    this.ws.resume();
  }
  async sendParts(kind, parts, ping) {
    for (const [number, part] of parts.entries()) {
      if (ping && number === 1) this.ws.ping(ping);
      await this.#send(part, { binary: kind === 'binary', fin: number === parts.length - 1 });
    }
  }
  ponged() { return this.pong; }
  receive() { return this.inbox.receive(); }
  awaitClose() { return this.inbox.awaitClose(); }
  close(code, reason) {
    this.ws.close(code, reason);
    return this.awaitClose();
  }
  reset() { this.ws._socket.resetAndDestroy(); }
}

function open(url, offer, subprotocols) {
  const options = {};
  if (offer === 'none') options.perMessageDeflate = false;
  else if (offer !== 'default') {
    const given = zoo.offered(offer);
    options.perMessageDeflate = { threshold: 0 };
    for (const side of SIDES) {
      options.perMessageDeflate[`${side}NoContextTakeover`] = given[`${side}_no_context_takeover`] ?? false;
      options.perMessageDeflate[`${side}MaxWindowBits`] = given[`${side}_max_window_bits`] ?? false;
    }
  }
  return new Promise((resolve, reject) => {
    const ws = new WebSocket(url, subprotocols, options);
    const connection = new Connection(ws);
    ws.on('open', () => resolve(connection));
    ws.on('error', reject);
  });
}

async function converse(connection, target) {
  const path = target.split('?')[0];
  let first = true;
  try {
    for (;;) {
      const { kind, data } = await connection.receive();
      if (path === '/close') {
        const [, code, reason] = data.toString().match(/^(\d+) (.*)$/);
        const end = await connection.close(Number(code), reason);
        throw end;
      }
      if (path === '/reset') return connection.reset();
      if (path === '/fragments' || path === '/ping') {
        const pings = path === '/ping';
        await connection.sendParts(kind, zoo.cut(kind, data, pings ? 2 : 3), pings ? Buffer.from('zoo') : null);
      } else if (path === '/flood' && first) await connection.sendUnread(kind, data, 10);
      else await connection.send(kind, data);
      first = false;
    }
  } catch (end) {
    if (!(end instanceof zoo.Closed)) throw end;
    zoo.report('closed', target, end.code, end.reason);
  }
}

if (process.argv[2] === 'version') console.log(`ws ${require('ws/package.json').version} on Node ${process.version}`);
else if (process.argv[2] === 'client') zoo.client(open);
else {
  const server = new WebSocket.Server({
    host: '127.0.0.1', port: Number(process.argv[3]), perMessageDeflate: { threshold: 0 },
    handleProtocols: (offered) => (offered.has('zoo.v1') ? 'zoo.v1' : false),
  });
  server.on('connection', (ws, request) => converse(new Connection(ws, request.url), request.url));
}

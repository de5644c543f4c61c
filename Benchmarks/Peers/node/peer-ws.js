#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// Node's ws: its Receiver, Sender and WebSocketServer in memory, without sockets.
// The formats and the rules of measuring are in Benchmarks/README.md.
'use strict';

const fs = require('fs');
const http = require('http');
const path = require('path');
const { Duplex } = require('stream');

// Debian's place, unless NODE_PATH has another.
function load(name) {
  for (const root of ['ws', '/usr/share/nodejs/ws', '/usr/lib/nodejs/ws']) {
    try {
      return require(name ? path.join(root, name) : root);
    } catch (error) {
      if (error.code !== 'MODULE_NOT_FOUND' && error.code !== 'ERR_PACKAGE_PATH_NOT_EXPORTED') throw error;
    }
  }
  console.error('ws is not installed (Debian: node-ws)');
  process.exit(3);
}

const Receiver = load('lib/receiver.js');
const Sender = load('lib/sender.js');
const PerMessageDeflate = load('lib/permessage-deflate.js');
const VERSION = load('package.json').version;

const REQUEST = Buffer.from(
  'GET /chat?room=7 HTTP/1.1\r\n' +
    'Host: server.example.com:8080\r\n' +
    'Connection: Upgrade\r\n' +
    'Pragma: no-cache\r\n' +
    'Cache-Control: no-cache\r\n' +
    'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) ' +
    'Chrome/126.0.0.0 Safari/537.36\r\n' +
    'Upgrade: websocket\r\n' +
    'Origin: http://server.example.com:8080\r\n' +
    'Sec-WebSocket-Version: 13\r\n' +
    'Accept-Encoding: gzip, deflate, br, zstd\r\n' +
    'Accept-Language: en-US,en;q=0.9\r\n' +
    'Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n' +
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n' +
    'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n' +
    '\r\n'
);
const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';

function options(argv) {
  const o = { operation: argv[0], chunk: '65536', minSeconds: 0.5, role: 'server', opcode: 'binary', level: 6, json: false };
  for (let i = 1; i < argv.length; i++) {
    if (argv[i] === '--json') {
      o.json = true;
      continue;
    }
    const value = argv[i + 1];
    switch (argv[i++]) {
      case '--input': o.input = value; break;
      case '--chunk': o.chunk = value; break;
      case '--min-seconds': o.minSeconds = Number(value); break;
      case '--role': o.role = value; break;
      case '--opcode': o.opcode = value; break;
      case '--level': o.level = Number(value); break;
      default: throw new Error('unknown option ' + argv[i - 1]);
    }
  }
  return o;
}

class Totals {
  constructor() {
    this.messages = 0;
    this.payloadBytes = 0;
    this.outputBytes = 0;
    this.checksum = 0; // exact: it stays far below 2^53
  }
  add(payload, opcode) {
    const n = payload.length;
    this.messages++;
    this.payloadBytes += n;
    this.checksum += n * 31 + opcode + (n ? payload[0] + payload[n - 1] : 0);
  }
  addFrame(pieces, payload) {
    const head = pieces[0];
    const tail = pieces[pieces.length - 1];
    let length = 0;
    for (const piece of pieces) length += piece.length;
    let last = 0;
    if (payload) {
      last = tail[tail.length - 1];
      if (head[1] & 0x80) last ^= head[length - payload - 4 + ((payload - 1) & 3)];
    }
    this.messages++;
    this.payloadBytes += payload;
    this.outputBytes += length;
    this.checksum += length * 31 + head[0] + head[1] + last;
  }
}

function cut(data, chunk) {
  const list = [];
  if (chunk !== 'frame') {
    const size = Number(chunk);
    for (let at = 0; at < data.length; at += size) list.push(data.subarray(at, at + size));
    return list;
  }
  for (let at = 0; at < data.length; ) {
    let length = data[at + 1] & 0x7f;
    let header = 2 + (data[at + 1] & 0x80 ? 4 : 0);
    if (length === 126) {
      length = data.readUInt16BE(at + 2);
      header += 2;
    } else if (length === 127) {
      length = Number(data.readBigUInt64BE(at + 2));
      header += 8;
    }
    // A read of one frame has at most 512 KiB.
    for (const end = at + header + length; at < end; at += list[list.length - 1].length) {
      list.push(data.subarray(at, Math.min(end, at + (512 << 10))));
    }
  }
  return list;
}

function messages(data) {
  const list = [];
  for (let at = 0; at < data.length; ) {
    const length = data.readUInt32BE(at);
    list.push(data.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return list;
}

function cpuSeconds() {
  const usage = process.cpuUsage();
  return (usage.user + usage.system) / 1e6;
}

async function measure(operation, api, o, pass) {
  const first = new Totals();
  await pass(first);
  if (!first.messages) throw new Error('no message came out');
  let passes = 0;
  let elapsed;
  const start = cpuSeconds();
  do {
    const totals = new Totals();
    await pass(totals);
    if (totals.messages !== first.messages || totals.checksum !== first.checksum) throw new Error('two passes differ');
    passes++;
    elapsed = cpuSeconds() - start;
  } while (elapsed < o.minSeconds);
  const ns = (elapsed * 1e9) / (passes * first.messages);
  const rate = (first.payloadBytes * passes) / elapsed / 1e9;
  if (o.json) {
    console.log(JSON.stringify({
      peer: 'ws', version: VERSION, operation, role: o.role, api,
      chunk: o.chunk === 'frame' ? 0 : Number(o.chunk), messages: first.messages,
      payload_bytes: first.payloadBytes, output_bytes: first.outputBytes, passes,
      cpu_seconds: elapsed, ns_per_message: ns, gb_per_s: rate, checksum: String(first.checksum)
    }));
  } else {
    console.log(`ws ${operation} (${o.role}, ${api}): ${ns.toFixed(1)} ns a message, ${rate.toFixed(4)} GB/s, ` +
      `${first.messages} messages, checksum ${first.checksum}`);
  }
}

function deflateExtension(isServer, level) {
  const extension = new PerMessageDeflate({ threshold: 0, zlibDeflateOptions: { level, memLevel: 8 } }, isServer);
  extension.accept([{}]);
  return { [PerMessageDeflate.extensionName]: extension };
}

// Feeds the reads to a Receiver, each copied into a buffer of its own, as a socket would.
function decode(reads, isServer, extensions, totals) {
  return new Promise((resolve, reject) => {
    const receiver = new Receiver({ isServer, extensions });
    receiver.on('message', (data, isBinary) => totals.add(data, isBinary ? 2 : 1));
    receiver.on('error', reject);
    receiver.on('finish', resolve);
    let at = 0;
    const more = () => {
      while (at < reads.length) if (!receiver.write(Buffer.from(reads[at++]))) return void receiver.once('drain', more);
      receiver.end();
    };
    more();
  });
}

// A socket that keeps what is written to it.
function sink() {
  const pieces = [];
  return { pieces, cork() {}, uncork() {}, write(data, done) { pieces.push(data); if (done) done(); return true; } };
}

function encode(list, o, totals) {
  const socket = sink();
  const sender = new Sender(socket, {});
  const settings = { binary: o.opcode === 'binary', mask: o.role === 'client', compress: false, fin: true };
  for (const payload of list) {
    sender.send(payload, settings);
    totals.addFrame(socket.pieces, payload.length);
    socket.pieces.length = 0;
  }
}

async function compress(list, o, totals, frames) {
  const socket = sink();
  const sender = new Sender(socket, deflateExtension(true, o.level));
  frames.length = 0;
  for (const payload of list) {
    await new Promise((resolve, reject) =>
      sender.send(payload, { binary: o.opcode === 'binary', mask: false, compress: true, fin: true },
        (error) => (error ? reject(error) : resolve())));
    for (const piece of socket.pieces) {
      frames.push(piece);
      totals.outputBytes += piece.length;
    }
    socket.pieces.length = 0;
    totals.messages++;
    totals.payloadBytes += payload.length;
    totals.checksum += payload.length * 31;
  }
}

async function handshake(totals) {
  const { WebSocketServer } = load('');
  const wss = new WebSocketServer({ noServer: true, perMessageDeflate: true });
  const server = http.createServer();
  server.on('upgrade', (request, socket, head) => wss.handleUpgrade(request, socket, head, () => {}));
  for (let i = 0; i < 100; i++) {
    await new Promise((resolve, reject) => {
      let answer = '';
      const socket = new Duplex({
        read() {},
        write(data, encoding, done) {
          answer += data.toString('latin1');
          done();
          if (answer.includes('\r\n\r\n')) {
            if (answer.includes(ACCEPT)) resolve();
            else reject(new Error('a wrong answer'));
          }
        }
      });
      socket.setTimeout = socket.setNoDelay = socket.setKeepAlive = () => socket;
      server.emit('connection', socket);
      socket.push(REQUEST);
    });
    totals.messages++;
    totals.payloadBytes += REQUEST.length;
    totals.checksum += 101;
  }
}

async function main() {
  const o = options(process.argv.slice(2));
  const isServer = o.role === 'server';
  if (o.operation === 'handshake') return measure('handshake', 'in-memory', o, handshake);
  const data = fs.readFileSync(o.input);
  if (o.operation === 'decode') {
    const reads = cut(data, o.chunk);
    return measure('decode', 'receiver', o, (totals) => decode(reads, isServer, {}, totals));
  }
  const list = messages(data);
  if (o.operation === 'encode') return measure('encode', 'sender', o, async (totals) => encode(list, o, totals));
  const frames = [];
  await measure('compress', 'sender', o, (totals) => compress(list, o, totals, frames));
  const reads = cut(Buffer.concat(frames), o.chunk === 'frame' ? '65536' : o.chunk);
  await measure('decompress', 'receiver', o, (totals) => decode(reads, false, deflateExtension(false, o.level), totals));
}

main().then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});

// SPDX-License-Identifier: Apache-2.0
'use strict';
// What the peers for Node share: the commands of a client. An adapter has send(kind, data), sendParts(kind, parts, ping),
// receive() and awaitClose() (an object with code and reason), close(code, reason), reset(), ponged(), subprotocol,
// extensions.

const fs = require('fs');
const readline = require('readline');

class Cannot extends Error {}
class Closed extends Error {
  constructor(code, reason) {
    super(`closed with ${code} ${reason}`);
    this.code = code;
    this.reason = reason;
  }
}

/** Messages, then the end, in the order in which they came. */
class Inbox {
  constructor() { this.messages = []; this.waiting = []; this.end = null; }
  put(kind, data) { this.messages.push({ kind, data }); this.#wake(); }
  finish(code, reason) { this.end = this.end ?? new Closed(code, reason); this.#wake(); }
  #wake() { for (const wake of this.waiting.splice(0)) wake(); }
  async receive() {
    for (;;) {
      if (this.messages.length) return this.messages.shift();
      if (this.end) throw this.end;
      await new Promise((resolve) => this.waiting.push(resolve));
    }
  }
  async awaitClose() {
    for (;;) {
      try { await this.receive(); } catch (end) { return end; }
    }
  }
}

function report(...fields) { fs.writeSync(1, fields.map((field) => String(field).replace(/[\t\n]/g, ' ')).join('\t') + '\n'); }

function offered(offer) {
  const given = {};
  if (offer === 'bare') return given;
  for (const part of offer.split(';')) {
    const [name, value] = part.trim().split('=');
    given[name] = value === undefined ? true : Number(value);
  }
  return given;
}

function cut(kind, data, count) {
  const parts = [];
  let start = 0;
  for (let number = 1; number <= count; number++) {
    let end = Math.floor((data.length * number) / count);
    while (kind === 'text' && end < data.length && (data[end] & 0xc0) === 0x80) end++;
    parts.push(data.subarray(start, Math.max(start, end)));
    start = Math.max(start, end);
  }
  return parts;
}

async function expect(connection, kind, data) {
  const got = await connection.receive();
  if (got.kind !== kind || !got.data.equals(data)) {
    throw new Error(`got ${got.kind} of ${got.data.length} bytes, sent ${kind} of ${data.length}`);
  }
}

async function carryOut(open, verb, url, fields) {
  const offer = verb === 'echo' ? fields.shift() : 'default';
  const subprotocols = verb === 'subprotocols' ? fields[0].split(',').filter(Boolean) : [];
  const connection = await open(url, offer, subprotocols);
  const zoo = Buffer.from('zoo');
  switch (verb) {
    case 'echo':
      for (let index = 0; index < fields.length; index += 2) {
        const data = fs.readFileSync(fields[index + 1]);
        await connection.send(fields[index], data);
        await expect(connection, fields[index], data);
      }
      await connection.close(1000, '');
      return [connection.extensions ?? '?'];
    case 'flood': {
      const data = fs.readFileSync(fields[1]);
      await connection.sendUnread(fields[0], data, Number(fields[2]));
      for (let count = Number(fields[2]); count > 0; count--) await expect(connection, fields[0], data);
      await connection.close(1000, '');
      return [];
    }
    case 'fragments':
    case 'ping': {
      const data = fs.readFileSync(fields[1]);
      const ping = verb === 'ping' ? zoo : null;
      await connection.sendParts(fields[0], cut(fields[0], data, Number(fields[2])), ping);
      if (ping) await connection.ponged();
      await expect(connection, fields[0], data);
      await connection.close(1000, '');
      return [];
    }
    case 'close': {
      const end = await connection.close(Number(fields[0]), fields[1]);
      return [end.code, end.reason];
    }
    case 'closed':
    case 'lost': {
      await connection.send('text', verb === 'lost' ? zoo : Buffer.from(`${fields[0]} ${fields[1]}`));
      const end = await connection.awaitClose();
      return [end.code, end.reason];
    }
    case 'reset':
      await connection.send('text', zoo);
      await expect(connection, 'text', zoo);
      await connection.reset();
      return [];
    case 'subprotocols':
      await connection.send('text', zoo);
      await expect(connection, 'text', zoo);
      await connection.close(1000, '');
      return [connection.subprotocol];
    default:
      throw new Cannot('the peer knows no such command');
  }
}

async function client(open) {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [verb, url, ...fields] = line.split('\t');
    try {
      report('ok', ...(await carryOut(open, verb, url, fields)));
    } catch (error) {
      report(error instanceof Cannot ? 'cannot' : 'failed', error.message);
    }
  }
  process.exit(0);
}

module.exports = { Cannot, Closed, Inbox, report, offered, cut, client };

# SPDX-License-Identifier: Apache-2.0
# zoo-name: websocket-client
# zoo-roles: client
# zoo-pip: websocket-client==1.9.2
# zoo-run: {python} {file}
# zoo-cannot: client deflate deflate-all deflate-limits: the library has no extensions
"""websocket-client, with blocking calls."""

import sys

# This file has the name of no module, and the library's is `websocket`.
import websocket
import zoo
from websocket import ABNF

KINDS = {"text": ABNF.OPCODE_TEXT, "binary": ABNF.OPCODE_BINARY}
NAMES = {code: name for name, code in KINDS.items()}


class Connection:
    def __init__(self, ws):
        self.ws = ws
        self.subprotocol = ws.getsubprotocol()
        self.pongs = 0
        self.extensions = ""

    def send(self, kind, data):
        self.ws.send(data, KINDS[kind])

    def send_parts(self, kind, parts, ping):
        for number, part in enumerate(parts):
            if number == 1 and ping:
                self.ws.ping(ping)
            opcode = KINDS[kind] if number == 0 else ABNF.OPCODE_CONT
            self.ws.send_frame(ABNF.create_frame(part, opcode, number == len(parts) - 1))

    def ponged(self, payload):
        opcode, data = self.ws.recv_data(control_frame=True)
        if (opcode, data) != (ABNF.OPCODE_PONG, payload):
            raise AssertionError(f"opcode {opcode} in place of a pong")

    def receive(self):
        try:
            opcode, data = self.ws.recv_data()
        except (websocket.WebSocketConnectionClosedException, ConnectionError):
            raise zoo.Closed(1006) from None
        if opcode == ABNF.OPCODE_CLOSE:
            self.ws.shutdown()
            raise zoo.Closed(int.from_bytes(data[:2], "big") if data else 1005, data[2:].decode())
        return NAMES[opcode], data

    def close(self, code, reason):
        self.ws.send_close(code, reason.encode())
        try:
            while True:
                self.receive()
        except zoo.Closed as end:
            return end.code, end.reason

    def reset(self):
        zoo.reset_socket(self.ws.sock)
        self.ws.shutdown()


def client(url, offer, subprotocols):
    return Connection(websocket.create_connection(url, subprotocols=subprotocols, timeout=20))


zoo.main(f"websocket-client {websocket.__version__}", client)

# SPDX-License-Identifier: Apache-2.0
# zoo-name: Qt
# zoo-roles: client
# zoo-apt: python3-pyqt6 python3-pyqt6.qtwebsockets
# zoo-run: /usr/bin/python3 {file}
# zoo-cannot: client deflate deflate-all deflate-limits: the library has no extensions
# zoo-cannot: client unread: the library reads by itself
# zoo-note: client ping-in: before a whole message
# zoo-note: client reset-in: abort() ends the connection
"""QWebSocket of Qt 6, through its Python binding."""

import time

import zoo
from PyQt6.QtCore import QT_VERSION_STR, QCoreApplication, QEventLoop, QUrl
from PyQt6.QtNetwork import QAbstractSocket
from PyQt6.QtWebSockets import QWebSocket, QWebSocketHandshakeOptions, QWebSocketProtocol

application = QCoreApplication([])


def turn(done):
    until = time.monotonic() + 9
    while not done():
        if time.monotonic() > until:
            raise TimeoutError("nothing came")
        application.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents, 100)


class Connection:
    extensions = ""

    def __init__(self):
        self.inbox = []
        self.connected = self.ended = False
        self.pongs = []
        self.ws = QWebSocket()
        self.ws.connected.connect(lambda: setattr(self, "connected", True))
        self.ws.textMessageReceived.connect(lambda text: self.inbox.append(("text", text.encode())))
        self.ws.binaryMessageReceived.connect(lambda data: self.inbox.append(("binary", bytes(data))))
        self.ws.pong.connect(lambda _, payload: self.pongs.append(bytes(payload)))
        self.ws.stateChanged.connect(self._changed)

    def _changed(self, state):
        self.ended |= state == QAbstractSocket.SocketState.UnconnectedState

    @property
    def subprotocol(self):
        return self.ws.subprotocol()

    def send(self, kind, data):
        if kind == "text":
            self.ws.sendTextMessage(data.decode())
        else:
            self.ws.sendBinaryMessage(data)

    def send_parts(self, kind, parts, ping):
        if ping:
            self.ws.ping(ping)
        else:
            self.ws.setOutgoingFrameSize(max(map(len, parts)))
        self.send(kind, b"".join(parts))

    def ponged(self, payload):
        turn(lambda: self.pongs)

    def receive(self):
        turn(lambda: self.inbox or self.ended)
        if self.inbox:
            return self.inbox.pop(0)
        code = self.ws.closeCode()
        raise zoo.Closed(int(getattr(code, "value", code)), self.ws.closeReason())

    def close(self, code, reason):
        self.ws.close(QWebSocketProtocol.CloseCode(code), reason)
        turn(lambda: self.ended)
        # What the server answered is not told.
        return zoo.UNKNOWN, zoo.UNKNOWN

    def reset(self):
        self.ws.abort()


def client(url, offer, subprotocols):
    connection = Connection()
    options = QWebSocketHandshakeOptions()
    options.setSubprotocols(subprotocols)
    connection.ws.open(QUrl(url), options)
    turn(lambda: connection.connected or connection.ended)
    if not connection.connected:
        raise ConnectionError(connection.ws.errorString())
    return connection


zoo.main(f"Qt {QT_VERSION_STR}", client)

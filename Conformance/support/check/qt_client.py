# SPDX-License-Identifier: Apache-2.0
# zoo-name: Qt
# zoo-roles: client
# zoo-apt: python3-pyqt6 python3-pyqt6.qtwebsockets
# zoo-run: /usr/bin/python3 {file}
"""Connects again and again, and echoes, until nobody listens any more."""

import os
import sys

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
from PyQt6.QtCore import QCoreApplication, QTimer, QUrl, qVersion  # noqa: E402
from PyQt6.QtNetwork import QAbstractSocket  # noqa: E402
from PyQt6.QtWebSockets import QWebSocket  # noqa: E402


def main(url):
    application = QCoreApplication(sys.argv)
    sockets = []

    def open_next():
        socket = QWebSocket()
        sockets[:] = [socket]
        # A handshake that has failed has no signal of its own for each cause.
        timer = QTimer(socket)
        state = {"idle": 0}

        def look():
            is_idle = socket.state() == QAbstractSocket.SocketState.UnconnectedState
            state["idle"] = state["idle"] + 1 if is_idle else 0
            if state["idle"] < 3:
                return
            timer.stop()
            if socket.error() == QAbstractSocket.SocketError.ConnectionRefusedError:
                application.quit()
            else:
                QTimer.singleShot(0, open_next)

        timer.timeout.connect(look)
        timer.start(20)

        socket.textMessageReceived.connect(socket.sendTextMessage)
        socket.binaryMessageReceived.connect(socket.sendBinaryMessage)
        socket.open(QUrl(url))

    open_next()
    application.exec()


if sys.argv[1] == "version":
    print(qVersion())
else:
    main(sys.argv[2])

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
        state = {"over": False}

        def over():
            if state["over"]:
                return
            state["over"] = True
            if socket.error() == QAbstractSocket.SocketError.ConnectionRefusedError:
                application.quit()
            else:
                QTimer.singleShot(0, open_next)

        socket.textMessageReceived.connect(socket.sendTextMessage)
        socket.binaryMessageReceived.connect(socket.sendBinaryMessage)
        socket.disconnected.connect(over)
        socket.errorOccurred.connect(lambda _: QTimer.singleShot(50, over))
        socket.open(QUrl(url))

    open_next()
    application.exec()


if sys.argv[1] == "version":
    print(qVersion())
else:
    main(sys.argv[2])

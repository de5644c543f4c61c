# SPDX-License-Identifier: Apache-2.0
"""Echo servers with a thread for each connection and one more that reads from it. Usage: threaded_server.py KIND PORT

KIND: simple-websocket, in a plain WSGI application; flask-sock. Both on werkzeug.
"""

import os
import sys

import simple_websocket
import werkzeug.serving
import wsproto
from flask import Flask
from flask_sock import Sock

KIND, PORT = sys.argv[1], int(sys.argv[2])
OPTIONS = {"ping_interval": 25}


def handle(ws, path):
    if path == "/module":
        ws.send(os.path.abspath(wsproto.__file__))
    while True:
        ws.send(ws.receive())


def plain(environ, start_response):
    ws = simple_websocket.Server.accept(environ, **OPTIONS)
    try:
        handle(ws, environ["PATH_INFO"])
    except simple_websocket.ConnectionClosed:
        pass
    # werkzeug wants an answer, which the client doesn't wait for.
    start_response("200 OK", [])
    return []


def flask():
    app = Flask("echo")
    app.config["SOCK_SERVER_OPTIONS"] = OPTIONS
    sock = Sock(app)
    sock.route("/")(lambda ws: handle(ws, "/"))
    sock.route("/module", endpoint="module")(lambda ws: handle(ws, "/module"))
    return app


werkzeug.serving.run_simple("127.0.0.1", PORT, flask() if KIND == "flask-sock" else plain, threaded=True)

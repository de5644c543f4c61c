# SPDX-License-Identifier: Apache-2.0
"""Sixteen clients at once, each with a thread that sends and one that receives.

Usage: threaded_client.py KIND URL FOLDER - KIND is simple-websocket or httpx-ws; FOLDER is where both ends' wsproto must
come from. Prints one line per check.
"""

import json
import os
import random
import sys
import threading

import httpx
import httpx_ws
import simple_websocket
import wsproto

KIND, URL, FOLDER = sys.argv[1:]
CLIENTS, MESSAGES = 16, 200
failures = 0
# Threads change places as often as can be.
sys.setswitchinterval(1e-5)


def check(name, fine, detail=""):
    global failures
    failures += not fine
    print(json.dumps({"check": name, "ok": bool(fine), "detail": str(detail)[:200]}), flush=True)


class Simple:
    def __init__(self, path):
        self.ws = simple_websocket.Client(URL + path, ping_interval=25)
        self.send, self.close = self.ws.send, self.ws.close

    def receive(self, kind):
        return self.ws.receive(timeout=60)


class Httpx:
    def __init__(self, path):
        self.client = httpx.Client()
        # Its pings come from a third thread.
        self.context = httpx_ws.connect_ws(
            URL.replace("ws:", "http:") + path, self.client, keepalive_ping_interval_seconds=0.05)
        self.ws = self.context.__enter__()

    def send(self, data):
        (self.ws.send_text if isinstance(data, str) else self.ws.send_bytes)(data)

    def receive(self, kind):
        return (self.ws.receive_text if kind is str else self.ws.receive_bytes)(timeout=60)

    def close(self):
        self.context.__exit__(None, None, None)
        self.client.close()


def messages(number):
    generator = random.Random(number)
    for index in range(MESSAGES):
        size = generator.choice([0, 1, 125, 126, 1000, 5000])
        yield f"{number} {index} \u2202 " * (size // 8) if index % 2 else generator.randbytes(size)


def talk(number, start, problems):
    try:
        ws = (Simple if KIND == "simple-websocket" else Httpx)("/")
        start.wait(60)
        sender = threading.Thread(target=lambda: [ws.send(message) for message in messages(number)])
        sender.start()
        for index, message in enumerate(messages(number)):
            answer = ws.receive(type(message))
            # wsproto's own binary messages are bytearrays.
            if isinstance(answer, str) is not isinstance(message, str) or answer != message:
                raise AssertionError(f"message {index} came back as {answer!r:.60}")
        sender.join(60)
        ws.close()
    except BaseException as error:
        problems.append(f"client {number}: {type(error).__name__}: {error}")


# fault: B1
ws = (Simple if KIND == "simple-websocket" else Httpx)("/module")
module = ws.receive(str)
ws.close()
check("the module in use is the one expected", module.startswith(FOLDER + os.sep), module)
check("the module in use by the client is the one expected", wsproto.__file__.startswith(FOLDER + os.sep), wsproto.__file__)
problems = []
start = threading.Barrier(CLIENTS)
threads = [threading.Thread(target=talk, args=(number, start, problems)) for number in range(CLIENTS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
check(f"{CLIENTS} clients, {MESSAGES} messages each, sent and received at the same time", not problems, problems)
sys.stdout.flush()
# Threads of the libraries may be left.
os._exit(1 if failures else 0)

# SPDX-License-Identifier: Apache-2.0
"""What fails, and the outcome that is documented for it. Each scenario returns what was seen, in a few words."""

import os
import shutil
import signal
import subprocess
import threading
import time

import common

from .peer import BINARY, CLOSE, TEXT, Peer, frame
from .programs import Client, Program, Server, Unexpected

#: Name, the documented outcome, function; in the order in which they are run.
SCENARIOS = []


class LeftOut(Exception):
    """This machine has no way to do it."""


def scenario(name, outcome):
    def register(function):
        SCENARIOS.append((name, outcome, function))
        return function
    return register


def expect(condition, text):
    if not condition:
        raise Unexpected(text)


class Stage:
    """What the scenarios are given: the testee's command, and a log for each process."""

    def __init__(self, testee, log):
        self.testee, self.log = testee, log

    def server(self, *options, **more):
        return Server(self.testee, self.log, *options, **more)

    def http2(self, *options):
        """A server, and the port of a bridge that opens a stream on one connection to it for each of its clients."""
        certificate, key = common.certificate(os.path.join(common.WORK, "certificate"))
        server = self.server("--certificate", certificate, "--key", key, *options)
        python = common.python_of(common.environment("http2", ["h2==4.3.0"]))
        bridge = Program([python, os.path.join(common.SUPPORT, "http2_bridge.py"), str(server.port), certificate], self.log)
        return server, int(bridge.wait_for(r"listening (\d+)")[1])

    def client(self, port, *options, host="127.0.0.1", **more):
        return Client(self.testee, self.log, f"ws://{host}:{port}/", *options, **more)


@scenario("server killed", "the client is told at once, waits, and comes back when the server does")
def server_killed(stage):
    server = stage.server()
    client = stage.client(server.port)
    seen = client.echoes(3)
    server.signal(signal.SIGKILL)
    server.wait(30)
    why = client.wait_for("closed\t(.*)", seen)[1]
    expect("without a Close" in why, why)
    # Nobody listens.
    client.wait_for("closed\tnobody listens", seen)
    again = stage.server(port=server.port)
    after = len(client.lines)
    client.wait_for("opened", seen)
    client.echoes(3, after)
    expect(again.process.poll() is None, "the new server has ended")
    return f"{why}; nobody listens; opened again, echoed"


@scenario("client killed", "its closure ends at once with 1006; the server lives on")
def client_killed(stage):
    server = stage.server()
    client = stage.client(server.port)
    client.echoes(1)
    client.signal(signal.SIGKILL)
    code = server.wait_for(r"closed\t\d+\t(\d+)", seconds=20)[1]
    expect(code == "1006", code)
    Peer(server.port).echo()
    return "closed with 1006; another peer is served"


@scenario("client restarted", "the new process is another connection; nothing of the old one is left")
def client_restarted(stage):
    server = stage.server()
    for _ in range(3):
        client = stage.client(server.port)
        client.echoes(1)
        client.signal(signal.SIGKILL)
        client.wait(30)
    until = time.monotonic() + 30
    while sum(line.startswith("closed") for line in server.lines) < 3 and time.monotonic() < until:
        time.sleep(0.05)
    opened = [line.split("\t")[1] for line in server.lines if line.startswith("opened")]
    closed = [line.split("\t")[1] for line in server.lines if line.startswith("closed")]
    expect(sorted(opened) == sorted(closed) and len(set(opened)) == 3, f"opened {opened}, closed {closed}")
    return "3 opened, 3 closed"


@scenario("client frozen (half-open)", "found by the keepalive: no sign of life within its deadline, 1006")
def client_frozen(stage):
    server = stage.server("--ping", 1, "--pong", 1, "--closing", 1)
    client = stage.client(server.port)
    client.echoes(1)
    client.signal(signal.SIGSTOP)
    match = server.wait_for(r"closed\t\d+\t(\d+)\t(.*)", seconds=30)
    expect(match[1] == "1006" and "given up" in match[2], match[0])
    Peer(server.port).echo()
    return match[2]


@scenario("server frozen (half-open)", "found by the client's keepalive; it comes back when the server does")
def server_frozen(stage):
    server = stage.server()
    client = stage.client(server.port, "--ping", 1, "--closing", 1)
    seen = client.echoes(1)
    server.signal(signal.SIGSTOP)
    why = client.wait_for("closed\t(.*)", seen, seconds=30)[1]
    expect("given up" in why, why)
    server.signal(signal.SIGCONT)
    client.wait_for("opened", seen, seconds=60)
    client.echoes(1, len(client.lines))
    return f"{why}; opened again, echoed"


@scenario("line cut (half-open)", "both ends find it by their keepalives; the client comes back when the line does")
def line_cut(stage):
    """Two hosts: a network namespace with a cable to this one, which is pulled."""
    space = f"wsproto{os.getpid() % 10000}"
    cable, other = f"ws{os.getpid() % 10000}a", f"ws{os.getpid() % 10000}b"

    def ip(*words):
        return subprocess.run(["ip", *words], capture_output=True, text=True, check=False)

    if os.geteuid() != 0 or not shutil.which("ip") or ip("netns", "add", space).returncode != 0:
        raise LeftOut("needs root and network namespaces")
    try:
        for words in (("link", "add", cable, "type", "veth", "peer", "name", other), ("link", "set", other, "netns", space),
                      ("addr", "add", "10.213.7.1/24", "dev", cable), ("link", "set", cable, "up"),
                      ("-n", space, "addr", "add", "10.213.7.2/24", "dev", other), ("-n", space, "link", "set", other, "up")):
            done = ip(*words)
            if done.returncode != 0:
                raise LeftOut(done.stderr.strip())
        server = stage.server("--host", "10.213.7.1", "--ping", 1, "--pong", 1, "--closing", 1)
        client = stage.client(server.port, "--ping", 1, "--closing", 1, host="10.213.7.1", prefix=("ip", "netns", "exec", space))
        seen = client.echoes(2)
        ip("-n", space, "link", "set", other, "down")
        at_server = server.wait_for(r"closed\t\d+\t(\d+)\t(.*)", seconds=30)
        at_client = client.wait_for("closed\t(.*)", seen, seconds=30)
        for why in (at_server[2], at_client[1]):
            expect("given up" in why, why)
        ip("-n", space, "link", "set", other, "up")
        client.wait_for("opened", seen, seconds=60)
        client.echoes(1, len(client.lines))
        client.end()
        return f"server: {at_server[2]}; client: {at_client[1]}; opened again, echoed"
    finally:
        ip("link", "del", cable)
        ip("netns", "del", space)


def pour(peer, count, size=1 << 20):
    """Sends so many messages from a thread, which ends with the transport."""
    def run():
        try:
            for _ in range(count):
                peer.send(BINARY, bytes(size))
        except OSError:
            pass
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


@scenario("slow reader", "its reads stop, so that it can hold little; dropped after the time of SlowConsumerPolicy.wait; "
          "neighbours are served")
def slow_reader(stage):
    server = stage.server("--stall", 2, "--compression", "none")
    neighbour = Peer(server.port)
    neighbour.echo()
    before = server.kilobytes()
    peer = Peer(server.port)
    pour(peer, 64)
    most, match, until = before, None, time.monotonic() + 30
    while match is None and time.monotonic() < until:
        neighbour.echo()
        most = max(most, server.kilobytes())
        match = next((line for line in server.lines if "takes less than it is sent" in line), None)
        time.sleep(0.05)
    expect(match, "it was not dropped in 30 s")
    grown = (most - before) / 1024
    expect(grown < 32, f"the server grew by {grown:.0f} MiB for one slow reader that sends 64 MiB")
    neighbour.echo()
    return f"{match.split(chr(9))[3]}; the server grew by {grown:.1f} MiB at most of the 64 that were sent"


@scenario("stalled stream of HTTP/2", "its writer waits, up to the time of SlowConsumerPolicy.wait, and only its stream ends; a busy one "
          "beside it on the same connection goes on")
def stalled_stream(stage):
    server, port = stage.http2("--stall", 6, "--compression", "none")
    busy, stalled = Peer(port), Peer(port)
    pour(stalled, 64)
    count, longest, until, match = 0, 0, time.monotonic() + 60, None
    while match is None and time.monotonic() < until:
        begun = time.monotonic()
        busy.echo()
        count, longest = count + 1, max(longest, time.monotonic() - begun)
        match = next((line for line in server.lines if "takes less than it is sent" in line), None)
    expect(match, "it was not dropped in 60 s")
    busy.echo()
    stalled.close()
    busy.echo()
    # A stream that waits for the stalled one waits for all of its time; how many echoes there are is the machine's.
    expect(count > 5 and longest < 5, f"the busy stream had {count} echoes, one of them after {longest:.1f} s")
    return f"{match.split(chr(9))[3]}; {count} echoes on the busy stream meanwhile, and more afterwards"


@scenario("late reader, default options", "10 MiB sent before anything is read: all of it comes back")
def late_reader_served(stage):
    server = stage.server("--compression", "none")
    peer = Peer(server.port)
    thread = pour(peer, 10)
    thread.join(60)
    expect(not thread.is_alive(), "the server did not take 10 MiB")
    for _ in range(10):
        expect(peer.next() == (BINARY, bytes(1 << 20)), "another message came back")
    peer.echo()
    return "10 MiB came back"


@scenario("reader that never comes", "neither end moves once 16 MiB wait; dropped after the time of SlowConsumerPolicy.wait")
def late_reader(stage):
    server = stage.server("--stall", 2, "--compression", "none")
    peer = Peer(server.port)
    pour(peer, 64).join(30)
    why = server.wait_for(r"closed\t\d+\t(\d+)\t(.*)", seconds=30)[2]
    expect("takes less than it is sent" in why, why)
    return why


@scenario("head byte by byte", "no byte puts the deadline of the opening handshake off")
def drip_head(stage):
    server = stage.server("--opening", 2)
    peer = Peer(server.port, opens=False)
    begun = time.monotonic()
    try:
        for byte in b"GET / HTTP/1.1\r\nX: " + b"x" * 200:
            peer.socket.sendall(bytes([byte]))
            time.sleep(0.1)
        raise Unexpected("the server took the head for 20 s")
    except OSError:
        took = time.monotonic() - begun
    expect(took > 1.5, f"ended after {took:.1f} s")
    Peer(server.port).echo()
    return f"ended after {took:.1f} s of 2; another peer is served"


@scenario("message byte by byte", "a peer that sends shows life: the message is taken whole")
def drip_message(stage):
    # Longer than the pauses of a busy machine, and together shorter than the message takes.
    server = stage.server("--ping", 2, "--pong", 5)
    peer = Peer(server.port)
    text = b"x" * 60
    for byte in frame(TEXT, text):
        peer.socket.sendall(bytes([byte]))
        time.sleep(0.2)
    # Pings that came meanwhile have no answer yet.
    expect(peer.next() == (TEXT, text), "another message came back")
    return "echoed after 13 s, through the 7 of the keepalive"


@scenario("no descriptors left", "accepting waits, the connections that are open are served, and it goes on when some close")
def descriptors(stage):
    server = stage.server(descriptors=64)
    peers = [Peer(server.port, opens=False) for _ in range(100)]
    served = peers[:30]
    for peer in served:
        peer.open()
    used, begun = server.processor_seconds(), time.monotonic()
    time.sleep(3)
    share = (server.processor_seconds() - used) / (time.monotonic() - begun)
    for peer in served:
        peer.echo()
    # The last of those that wait comes up when the others have gone.
    for peer in peers[:-1]:
        peer.close()
    peers[-1].open()
    peers[-1].echo()
    Peer(server.port).echo()
    expect(share < 0.5, f"waiting took {share:.0%} of a processor")
    return f"30 of 100 echo with 64 descriptors, waiting takes {share:.0%} of a processor; the 100th echoes when others have gone"


@scenario("shutdown under load", "what was read is answered, all get 1001, the process ends within its deadline")
def shutdown(stage, count=100):
    deadline = 10
    server = stage.server("--shutdown", deadline, "--compression", "none")
    results = []

    def talk():
        sent = echoed = 0
        try:
            peer = Peer(server.port)
            ready.release()
            while True:
                # As fast as it can, a few messages at a time under way.
                if sent - echoed < 4:
                    peer.send(TEXT, b"%d" % sent)
                    sent += 1
                    continue
                opcode, payload = peer.next()
                if opcode == TEXT:
                    expect(payload == b"%d" % echoed, f"{payload} instead of {echoed}")
                    echoed += 1
                elif opcode == CLOSE:
                    peer.send(CLOSE, payload)
                    results.append((sent, echoed, int.from_bytes(payload[:2], "big")))
                    return
        except (OSError, EOFError, Unexpected) as error:
            # A message may cross the server's Close; the Close is read all the same.
            results.append((sent, echoed, f"{type(error).__name__}: {error}"))

    ready = threading.Semaphore(0)
    threads = [threading.Thread(target=talk, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    for _ in range(count):
        ready.acquire(timeout=60)
    time.sleep(2)
    begun = time.monotonic()
    server.signal(signal.SIGTERM)
    status = server.wait(deadline + 10)
    took = time.monotonic() - begun
    for thread in threads:
        thread.join(60)
    match = server.wait_for(r"read (\d+) answered (\d+)")
    read, answered = int(match[1]), int(match[2])
    echoed = sum(one[1] for one in results)
    codes = sorted({str(one[2]) for one in results})
    expect(status == 0 and took < deadline, f"status {status} after {took:.1f} s")
    expect(len(results) == count and codes == ["1001"], f"{len(results)} peers ended with {codes}")
    expect(read == answered == echoed, f"{read} read, {answered} answered, {echoed} received")
    return f"{count} peers, {read} read = {answered} answered = {echoed} received; 1001 to all; ended after {took:.1f} s of {deadline}"


@scenario("shutdown with a stuck peer", "the peer that never answers is dropped at the deadline; the process ends")
def shutdown_stuck(stage):
    deadline = 3
    server = stage.server("--shutdown", deadline, "--compression", "none")
    stuck = Peer(server.port)
    pour(stuck, 64)
    fine = Peer(server.port)
    fine.echo()
    time.sleep(1)
    begun = time.monotonic()
    server.signal(signal.SIGTERM)
    opcode, payload = fine.next()
    expect(opcode == CLOSE and payload[:2] == (1001).to_bytes(2, "big"), f"{opcode} {payload}")
    fine.send(CLOSE, payload)
    status = server.wait(deadline + 20)
    took = time.monotonic() - begun
    expect(status == 0 and took < deadline + 10, f"status {status} after {took:.1f} s")
    return f"ended after {took:.1f} s of {deadline}; 1001 to the other peer"

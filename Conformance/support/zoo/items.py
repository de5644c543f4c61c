# SPDX-License-Identifier: Apache-2.0
"""What is tried with each peer. `in` is what the peer sends or begins, `out` what ours does."""

import itertools
import re
import time

CODES = (1000, 1001, 3000, 4999)


class Cannot(Exception):
    """The peer's interface has no way to do it."""


class Failed(Exception):
    """It went wrong."""


class Pair:
    """A client and a server, one of them ours; or both, with a proxy between."""

    _number = itertools.count(1)

    def __init__(self, ours, client, server, url, payloads, proxy=None):
        self.ours = ours
        self.client = client
        self.server = server
        self.url = url
        self.payloads = payloads
        self.proxy = proxy
        self.asked, self.never_started = False, None

    def target(self, path, query=""):
        return f"{path}?id={next(self._number)}" + (f"&{query}" if query else "")

    def ask(self, verb, target, *fields, seconds=10):
        """The fields of the client's answer."""
        problem = self.never_started or self.server.start() or self.proxy and self.proxy.start()
        if problem:
            if not self.asked:
                self.never_started = problem
            raise Failed(problem)
        self.asked = True
        answer = self.client.ask(verb, self.url + target, *fields, seconds=seconds)
        detail = " ".join(answer.fields)
        if answer.status == "cannot":
            raise Cannot(detail)
        if answer.status == "failed":
            if re.search("1006|ended|connect", detail):
                self.server.settle()
            # What our server says about it is worth more than what the client saw.
            report = self.server.report(target, "error", 0.2 if self.ours == "server" else 0)
            raise Failed(detail + (f"; the server: {report[0]}" if report else ""))
        report = self.server.report(target, "error", 0)
        if report:
            raise Failed(f"the server: {report[0]}")
        return answer.fields

    def told(self, target, kind, what):
        """The fields of what the server reports about `target`."""
        report = self.server.report(target, kind)
        if report is None:
            raise Failed(f"the server did not report {what}")
        return report


def echo(pair, messages, path="/echo", offer="default", query=""):
    target = pair.target(path, query)
    pair.ask("echo", target, offer, *itertools.chain.from_iterable(messages))
    return target


def text4(pair):
    echo(pair, pair.payloads.four)


def empty(pair):
    text, binary = pair.payloads.empty
    # Before and behind others, since an empty message leaves a used context of compression as it was.
    echo(pair, [text, binary, pair.payloads.small, text, pair.payloads.small, binary, pair.payloads.small])


def of_size(name):
    def run(pair):
        echo(pair, pair.payloads.sizes[name])
    return run


def unread(pair):
    """10 MiB of ours and of the peer's at once, and the peer does not read while it sends."""
    kind, path = pair.payloads.sizes["1MiB"][1]
    if pair.ours == "server":
        pair.ask("flood", pair.target("/echo"), kind, path, 10, seconds=40)
    else:
        pair.ask("burst", pair.target("/flood"), kind, path, 11, 20, seconds=40)


def fragments_sent_by_client(pair):
    for kind, path in (pair.payloads.small, pair.payloads.sizes["65536"][1], pair.payloads.four[-1]):
        pair.ask("fragments", pair.target("/echo"), kind, path, 3)


def fragments_sent_by_server(pair):
    echo(pair, [pair.payloads.small, pair.payloads.sizes["65536"][1], pair.payloads.four[-1]], "/fragments")


def ping_by_client(pair):
    kind, path = pair.payloads.small
    pair.ask("ping", pair.target("/echo"), kind, path, 2)


def ping_by_server(pair):
    target = echo(pair, [pair.payloads.small], "/ping")
    payload, *_ = pair.told(target, "pong", "a pong")
    if payload != "zoo":
        raise Failed(f"the pong holds {payload!r}")


def close_by_client(code):
    def run(pair):
        reason = f"Grüße, 世界 {code}"
        target = pair.target("/echo")
        seen_code, seen_reason = (pair.ask("close", target, code, reason) + ["", ""])[:2]
        got_code, got_reason = pair.told(target, "closed", "the close")[:2]
        same(got_code, str(code), "the server's code")
        same(got_reason, reason, "the server's reason")
        if pair.ours == "server":
            # Ours answers with what it got.
            same(seen_code, str(code), "the answer's code")
            same(seen_reason, reason, "the answer's reason")
        elif seen_code == "1006":
            raise Failed("the server ended the connection without a Close")
    return run


def close_by_server(code):
    def run(pair):
        reason = f"Grüße, 世界 {code}"
        target = pair.target("/close")
        got_code, got_reason = (pair.ask("closed", target, code, reason) + ["", ""])[:2]
        same(got_code, str(code), "the client's code")
        same(got_reason, reason, "the client's reason")
        if pair.told(target, "closed", "the answer to its close")[0] == "1006":
            raise Failed("the client ended the connection without a Close")
    return run


def same(got, wanted, what):
    """`?` stands for what an interface does not tell."""
    if got not in ("?", wanted):
        raise Failed(f"{what} is {got!r}, not {wanted!r}")


def reset_by_client(pair):
    target = pair.target("/echo")
    pair.ask("reset", target)
    same(pair.told(target, "closed", "the end")[0], "1006", "the server's code")


def reset_by_server(pair):
    same(pair.ask("lost", pair.target("/reset"))[0], "1006", "the client's code")


def subprotocol(pair):
    for offered, wanted in (("other,zoo.v1", "zoo.v1"), ("zoo.v1", "zoo.v1"), ("", "")):
        target = pair.target("/echo")
        chosen = pair.ask("subprotocols", target, offered)
        same(chosen[0] if chosen else "", wanted, f"the answer to {offered!r}")
        if pair.ours == "server":
            same(pair.told(target, "opened", "the handshake")[0], wanted, f"the choice for {offered!r}")


# MARK: permessage-deflate

def offers(windows):
    """Sets of parameters that RFC 7692 §7.1 lets a client offer, with these sizes of a window.

    The server's window of 8 bits comes last: zlib cannot compress with it, and not every peer copes.
    """
    for server_bits in (None, *sorted(windows, reverse=True)):
        for client_flag, server_flag in itertools.product((False, True), repeat=2):
            for client_bits in (None, "", *windows):
                parameters = ["client_no_context_takeover"] * client_flag
                parameters += ["server_no_context_takeover"] * server_flag
                if client_bits is not None:
                    parameters.append("client_max_window_bits" + (f"={client_bits}" if client_bits else ""))
                if server_bits is not None:
                    parameters.append(f"server_max_window_bits={server_bits}")
                yield "; ".join(parameters) or "bare"


def parsed(parameters):
    found = {}
    for part in re.split(r"[;,]", parameters.replace("permessage-deflate", "").replace("bare", "")):
        if part.strip():
            name, _, value = part.strip().partition("=")
            found[name] = value.strip('"')
    return found


def check_answer(answer, offer):
    """Whether RFC 7692 §7.1 lets a server give this answer to this offer."""
    if not answer.startswith("permessage-deflate"):
        raise Failed(f"the answer is {answer!r}" if answer else "not taken")
    asked, given = parsed(offer), parsed(answer)
    if "server_no_context_takeover" in asked and "server_no_context_takeover" not in given:
        raise Failed("the server keeps its context")
    limit = asked.get("server_max_window_bits")
    if limit and int(given.get("server_max_window_bits") or 15) > int(limit):
        raise Failed("the server has a larger window")
    if "client_max_window_bits" in given and "client_max_window_bits" not in asked:
        raise Failed("the client's window was not offered")


def deflate(pair):
    """The smallest and the largest windows: 80 sets."""
    return with_offers(pair, offers((8, 9, 15)))


def deflate_all(pair):
    """Each set there is: 360."""
    return with_offers(pair, offers(range(8, 16)))


def with_offers(pair, sets):
    """Returns with how many sets of parameters it was done."""
    messages = [pair.payloads.small, pair.payloads.small, pair.payloads.window, pair.payloads.four[3],
                pair.payloads.small, pair.payloads.window]
    done, declined, failed, reason = 0, 0, [], None
    for offer in sets:
        begun = time.monotonic()
        target = pair.target("/echo")
        try:
            answered = pair.ask("echo", target, offer, *itertools.chain.from_iterable(messages))[0]
            if pair.ours == "server":
                answer = pair.told(target, "opened", "the handshake")[1]
                # A server may decline to compress with 8 bits, which zlib cannot do: then nothing is compressed.
                if answer or "server_max_window_bits=8" not in offer:
                    check_answer(answer, offer)
                else:
                    declined += 1
        except Cannot as error:
            reason = reason or str(error)
            continue
        except Failed as error:
            failed.append(f"{offer}: {error}")
            if time.monotonic() - begun > 5:
                # It will be the next one's end too.
                done += 1
                break
        else:
            declined += pair.ours == "client" and not answered
        done += 1
    if not done:
        raise Cannot(reason)
    if failed:
        raise Failed(f"{len(failed)} of {done} sets: {failed[0]}")
    return f"{done} sets" + (f", {declined} declined" if declined else "")


def deflate_limits(pair):
    """Our server asks for more than the peer's default offer does."""
    limits = ["server_no_context_takeover", "client_no_context_takeover",
              "server_no_context_takeover,client_no_context_takeover"]
    limits += [f"{side}_max_window_bits={bits}" for side in ("server", "client") for bits in (9, 10, 12, 15)]
    limits += ["server_max_window_bits=9,client_max_window_bits=9,server_no_context_takeover,client_no_context_takeover"]
    messages = [pair.payloads.small, pair.payloads.window, pair.payloads.small, pair.payloads.window]
    for limit in limits:
        try:
            target = echo(pair, messages, query=f"deflate={limit}")
        except Failed as error:
            raise Failed(f"{limit}: {error}") from None
        if not pair.told(target, "opened", "the handshake")[1]:
            raise Cannot("the default offer has no permessage-deflate")


def items(ours, everything=True):
    """Pairs of name and function, for our server or our client."""
    peer_is_client = ours == "server"
    found = [("text4", text4), ("empty", empty)]
    found += [(name, of_size(name)) for name in ("125", "126", "65535", "65536", "1MiB")]
    found.append(("unread", unread))
    for name, by_client, by_server in (
        ("fragments", fragments_sent_by_client, fragments_sent_by_server),
        ("ping", ping_by_client, ping_by_server),
        *((f"close-{code}", close_by_client(code), close_by_server(code)) for code in CODES),
        ("reset", reset_by_client, reset_by_server),
    ):
        found.append((f"{name}-in", by_client if peer_is_client else by_server))
        found.append((f"{name}-out", by_server if peer_is_client else by_client))
    found.append(("subprotocol", subprotocol))
    found.append(("deflate", deflate))
    if everything:
        found.append(("deflate-all", deflate_all))
    if peer_is_client:
        found.append(("deflate-limits", deflate_limits))
    return found

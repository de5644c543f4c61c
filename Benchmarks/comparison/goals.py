# SPDX-License-Identifier: Apache-2.0
"""The goals, and what was measured beside each. A ratio above 1 means that WSProto is faster."""

import subprocess

from contenders import ROOT
from report import FLOORS, SIZE_NAMES, stacks_of

SIZES = [16, 125, 1024, 16384, 262144, 1048576]
DEFLATE = "permessage-deflate, JSON, context takeover, level 6"
KINDS = ["binary", "ascii", "mixed", "cyrillic", "cjk"]


class Goals:
    def __init__(self, results):
        self.sections = results.sections

    def ns(self, section, name, size):
        record = self.sections.get(section, {}).get(size, {}).get(name)
        return record["ns_per_message"] if record else None

    def ours(self, section, size, api="borrowed"):
        return self.ns(section, f"WSProto {api}" if section.startswith("decode") else "WSProto", size)

    def other(self, section, name, size):
        """The time of a stack, or of the best of several, as measured in this run."""
        times = [self.ns(section, stack, size) for stack in stacks_of(name)]
        return min((time for time in times if time is not None), default=None)

    def called(self, section, name):
        """The stacks of `name` as a row's title gives them: of several, those that were measured."""
        measured = {stack for by_name in self.sections.get(section, {}).values() for stack in by_name}
        names = stacks_of(name)
        names = [stack for stack in names if stack in measured] or names
        return f"the best of {' and '.join(names)}" if len(names) > 1 else names[0]

    def isal_over_best_peer(self, size):
        """Compressing and decompressing together, over the peer that is fastest at both."""
        both = [self.sections.get(f"{DEFLATE}: {way}", {}).get(size, {}) for way in ("compress", "decompress")]
        times = {name: sum(by_name[name]["ns_per_message"] for by_name in both)
                 for name in both[0].keys() & both[1].keys()}
        peers = [time for name, time in times.items() if not name.startswith("WSProto") and name != "zlib"]
        return over(min(peers, default=None), times.get("WSProto with ISA-L"))

    def worst_over(self, peer, size):
        """The smallest ratio over `peer` of all kinds of payload."""
        ratios = [over(self.ns(f"decode, server, {kind}", peer, size), self.ours(f"decode, server, {kind}", size))
                  for kind in KINDS]
        return min((r for r in ratios if r is not None), default=None)

    def rows(self):
        """(what, [(size, measured, goal, 'at least' or 'at most', unit)]); without a goal for information."""
        binary, ascii, mixed = (f"decode, server, {kind}" for kind in ("binary", "ascii", "mixed"))

        def row(what, goals, measure, least=True, unit="×"):
            return what, [(size, measure(size), goal, least, unit) for size, goal in zip(SIZES, goals) if goal is not None]

        def information(what, measure):
            return what, [(size, measure(size), None, True, "×") for size in SIZES]

        def over_other(what, section, name, goals, api="borrowed"):
            return row(f"{what} over {self.called(section, name)}", goals,
                       lambda s: over(self.other(section, name, s), self.ours(section, s, api)))

        yield over_other("borrowed decode, binary,", binary, "uWebSockets", [1.15, 1.3, 1.1, 1.15, 1.3, 1.4])
        yield over_other("borrowed decode, ASCII,", ascii, "uWebSockets", [1.15, 1.3, 1.1, 1.15, 1.3, 1.4])
        yield over_other("one frame a read", "decode, server, one frame a read, binary", "uWebSockets",
                         [0.95, 1.1, 1.05, 1.0, 1.2, 1.2])
        server = "encode, server"
        yield over_other("server encode, into an array,", server, "uWebSockets", [1.0] * 6)
        yield row("server encode, into memory, over uWebSockets", [1.0] * 6,
                  lambda s: over(self.ns(server, "uWebSockets", s), self.ns(server, "WSProto into memory", s)))
        yield row("borrowed decode, binary, time over feed only", [None, None, 1.3, 1.15, 1.15, 1.2],
                  lambda s: over(self.ours(binary, s), self.ns(binary, "feed only", s)), least=False)
        yield over_other("borrowed decode, mixed UTF-8,", mixed, "best of tokio-websockets and uWebSockets", [1.15] * 6)
        yield row("borrowed decode, mixed UTF-8", [None, 1, 3, 5, 5, 4.5],
                  lambda s: over(s, self.ours(mixed, s)), unit=" GB/s")
        yield over_other("owned events (whole), binary,", binary, "tungstenite", [1.0, 1.0, 1.2, 1.2, 1.2, 1.2], "whole")
        yield over_other("owned text (whole, its bytes looked at), ASCII,", ascii, "tungstenite",
                         [1.1, 1.1, 1.2, 1.2, 1.2, 1.2], "whole, utf8")
        yield over_other("owned text in parts (its bytes looked at), ASCII,", ascii, "tungstenite",
                         [1.0, 1.0, 1.0, 1.1, 1.1, 1.1], "events, utf8")
        yield row("borrowed decode over Boost.Beast, the worst of all kinds", [3, 2.5, 2, 1.2, 1.1, 1.1],
                  lambda s: self.worst_over("Boost.Beast", s))
        yield row("borrowed decode over NIOWebSocket, the worst of all kinds", [100, 50, 30, 35, 30, 20],
                  lambda s: self.worst_over("NIOWebSocket", s))
        yield information("the same, binary alone (NIOWebSocket does not validate text), no goal",
                          lambda s: over(self.ns(binary, "NIOWebSocket", s), self.ours(binary, s)))
        yield row("server encode, small (4 to 12 ns)", [12, 12, None, None, None, None],
                  lambda s: self.ours("encode, server", s), least=False, unit=" ns")
        yield row("server encode, time over memcpy", [None, None, 1.15, 1.15, 1.15, 1.15],
                  lambda s: over(self.ours("encode, server", s), self.ns("encode, server", "memcpy", s)), least=False)
        yield over_other("client encode", "encode, client", "best of Boost.Beast and fastwebsockets and uWebSockets",
                         [1.5, 1.5, 1.5, 1.5, 1.3, 1.3])
        for way in ("compress", "decompress"):
            section = f"{DEFLATE}: {way}"
            yield row(f"deflate, {way}, time over zlib", [None, None, 1.05, 1.05, None, None],
                      lambda s, section=section: over(self.ours(section, s), self.ns(section, "zlib", s)), least=False)
        yield row("deflate with the fast backend, compress + decompress, over the fastest peer",
                  [None, None, None, 3, None, None], self.isal_over_best_peer)
        handshake = "opening handshake, server: Chrome's request to the 101"
        yield "opening handshake", [(0, self.ours(handshake, 0), 2500, False, " ns")]


def over(numerator, denominator):
    return numerator / denominator if numerator is not None and denominator else None


def number(value, unit):
    if unit == " ns":
        return f"{value:.0f}" if value >= 10 else f"{value:.1f}"
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def verdict(value, goal, least, unit):
    """A cell, and whether the goal is reached; `None`: not measured."""
    if value is None:
        return "–", None
    if goal is None:
        return f"{number(value, unit)}{unit}", None
    sign = "≥" if least else "≤"
    reached = value >= goal if least else value <= goal
    text = f"{number(value, unit)}{unit} ({sign} {goal:g})"
    if reached:
        return text, True
    return f"**{text}, missed by {100 * abs(value - goal) / goal:.0f} %**", False


def allocations():
    """A sentence, and whether borrowed decoding and encoding into a buffer allocate nothing in steady state."""
    done = subprocess.run([str(ROOT / ".build" / "release" / "wsproto-bench"), "allocations"], capture_output=True, text=True)
    if done.returncode == 3:
        return "Allocations a message in steady state: not counted here.", None
    if done.returncode == 0:
        return "Allocations a message in steady state, borrowed decode and encode into a buffer: 0 (0).", True
    paths = len(done.stdout.splitlines())
    return f"**Allocations a message in steady state: missed on {paths} paths** (wsproto-bench allocations).", False


def markdown(results):
    goals = Goals(results)
    sizes = [size for size in SIZES if any(size in by_size for by_size in results.sections.values())]
    lines = ["## Goals", "", "The measured figure, the goal in parentheses; × are ratios, above 1 WSProto is faster "
             "unless the row says time over something. A dash: the stack was not measured in this run.", "",
             "| | " + " | ".join(SIZE_NAMES[s] for s in sizes) + " |", "|---|" + "---|" * len(sizes)]
    reached = missed = 0
    single = []
    for what, cells in goals.rows():
        found = {size: verdict(*rest) for size, *rest in cells}
        wanted = found if 0 in found else {size: found[size] for size in found if size in sizes}
        reached += sum(ok is True for _, ok in wanted.values())
        missed += sum(ok is False for _, ok in wanted.values())
        if 0 in found:
            single.append(f"{what[0].upper()}{what[1:]}: {found[0][0]}.")
        elif wanted:
            lines.append(f"| {what} | " + " | ".join(found[s][0] if s in found else "–" for s in sizes) + " |")
    sentence, none = allocations()
    single += ["", sentence]
    reached += none is True
    missed += none is False
    return lines + [""] + single + ["", f"{reached} reached, {missed} missed.", ""]

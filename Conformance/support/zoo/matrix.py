# SPDX-License-Identifier: Apache-2.0
"""The committed matrix: one line a cell, and a page of it for people.

Verdicts: `ok`; `-` the peer's interface cannot do it; `peer` it fails by what the peer does; `ours` it fails by a fault
of ours that is known. Notes of the last two are written by hand.
"""

import collections
import os
import re

#: What meets what.
KINDS = {
    "server": "our server, their client",
    "client": "our client, their server",
    "behind": "our server behind their proxy, another client",
    "both": "our server behind their proxy, our client",
}
TITLES = {
    "server": "Clients against our server",
    "client": "Servers against our client",
    "behind": "Proxies before our server, the client that of `websockets`",
    "both": "Proxies between our client and our server",
}
FAILURES = ("peer", "ours")
HEADER = "kind\tpeer\titem\tverdict\tnote\n"

Cell = collections.namedtuple("Cell", "verdict note")


def load(path):
    """Cells by (kind, peer, item)."""
    cells = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            for line in file.readlines()[1:]:
                kind, peer, item, verdict, note = (line.rstrip("\n").split("\t") + [""])[:5]
                cells[kind, peer, item] = Cell(verdict, note)
    return cells


def text(cells, order):
    """As it is committed: peers by name, items in their own order."""
    def key(place):
        kind, peer, item = place
        names = order[kind]
        return list(KINDS).index(kind), peer.lower(), names.index(item) if item in names else len(names), item

    lines = ["\t".join([*place, *cells[place]]) + "\n" for place in sorted(cells, key=key)]
    return HEADER + "".join(lines)


#: How a failure begins that counts sets of parameters.
COUNT = re.compile(r"\d+ of \d+ sets: |")


def judge(got, expected):
    """The cell to commit, and a complaint or nothing. `got` has the verdict `fail` where something failed."""
    if got.verdict == "fail":
        if expected is None or expected.verdict not in FAILURES or not expected.note:
            return Cell("fail", got.note), f"fails: {got.note}"
        # How many sets of parameters fail is told by both notes; the rest of the committed one explains it.
        count, before = COUNT.match(got.note).group(), COUNT.match(expected.note).group()
        if count == before:
            return expected, None
        return Cell(expected.verdict, count + expected.note[len(before):]), f"fails: {got.note}, not {expected.note}"
    if expected is None:
        return got, f"is {got.verdict}, and not in the matrix"
    if expected.verdict in FAILURES:
        return got, f"is {got.verdict}, where it was known to fail ({expected.note})"
    if got != expected:
        return got, f"is {got.verdict} ({got.note}), not {expected.verdict} ({expected.note})"
    return expected, None


#: How the page says what our end stands on, the script's options, and the matrix, by testee.
ENDS = {
    "core": ("our server and client", "", "zoo"),
    "nio": ("our server and client on `WSProtoNIO`", "--testee nio ", "zoo-nio"),
}


def page(cells, order, versions, counts, testee="core"):
    """Markdown: a table for each role of ours, then the notes."""
    ends, options, name = ENDS[testee]
    lines = [
        f"# The zoo: real peers against {ends}", "",
        f"Written by `Conformance/zoo {options}--all --update`; the same cells are in `Conformance/expectations/{name}.tsv`, and each",
        "CI run compares with them. What each item does is said in `Conformance/README.md`.", "", counts, "",
        "`in`: the peer sends or begins; `out`: ours does. A number is that of the sets of parameters with which it works;",
        "`-`: the interface of one end cannot do it; `peer`: it fails by what the peer does; `ours`: by a fault of ours.",
    ]
    for kind, title in TITLES.items():
        names = order[kind]
        peers = sorted({peer for one, peer, _ in cells if one == kind}, key=str.lower)
        lines += ["", f"## {title}", "", "| peer | " + " | ".join(names) + " |", "| --- |" + " --- |" * len(names)]
        for peer in peers:
            row = []
            for item in names:
                cell = cells.get((kind, peer, item), Cell("", ""))
                sets = re.match(r"\d+(?= sets)", cell.note) if cell.verdict == "ok" else None
                row.append(sets.group() if sets else cell.verdict)
            lines.append(f"| {peer} | " + " | ".join(row) + " |")
        lines.append("")
        for peer in peers:
            notes = collections.defaultdict(list)
            for item in names:
                cell = cells.get((kind, peer, item))
                if cell and cell.note and (cell.verdict != "ok" or "sets" not in cell.note):
                    notes[cell.verdict, cell.note].append(item)
            lines += [f"- {peer}, {', '.join(of)}: `{verdict}`: {note}" for (verdict, note), of in notes.items()]
    lines += ["", "## Versions", ""]
    lines += [f"- {name}: {version}" for name, version in sorted(versions.items(), key=lambda pair: pair[0].lower())]
    return "\n".join(lines) + "\n"

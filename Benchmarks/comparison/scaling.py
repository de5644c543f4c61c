# SPDX-License-Identifier: Apache-2.0
"""How the cost grows with message size, fragments, read size and connections: the plots of results/scaling.md."""

import json
import os
import subprocess
import sys

import chart
import grid
import inputs
import report
from contenders import ROOT

BENCH = ROOT / ".build" / "release" / "wsproto-bench"


# A buffer that grows is memory that glibc maps anew and gives back to the kernel, which clears its pages once more. With
# these settings glibc keeps it; other allocators ignore them.
KEPT = {"GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=1073741824:glibc.malloc.trim_threshold=2147483648"}


def cost(path, api, *more, seconds, kept=False):
    command = [str(BENCH), "decode", "--json", "--input", str(path), "--api", api, "--min-seconds", str(seconds), *more]
    runs = []
    for _ in range(3):
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(KEPT if kept else {})})
        if done.returncode != 0:
            sys.exit(f"error: {' '.join(command)}: {done.stderr.strip()}")
        runs.append(json.loads(done.stdout))
    return sorted(runs, key=lambda r: r["ns_per_message"])[1]


def powers(start, end, factor):
    values = []
    while start <= end:
        values.append(start)
        start *= factor
    return values


def run(folder, quick):
    """Draws the plots; the figures in them, sweep → line → points."""
    seconds = 0.02 if quick else 0.1
    total = (4 if quick else 64) << 20
    figures = {}

    flat = "Server, CPU time; lower is better; a flat line costs the same everywhere."

    def draw(name, title, x_label, y_label, lines, x_text, second=None, y_text=chart.number, note=flat):
        series = [(label, points, None if label == "feed only" else True) for label, points in lines]
        svg = chart.line_chart(title, note, x_label, y_label, series, x_text, second, y_text)
        (folder / f"scaling-{name}.svg").write_text(svg)

    def sweep(name, values, lines, measure_one, x_text):
        """[(label, [(value, ns a message), ...]), ...]"""
        measured = []
        for label, options in lines:
            points = [(value, measure_one(value, *options)["ns_per_message"]) for value in values]
            measured.append((label, points))
            figures.setdefault(name, {})[label] = points
            print(f"{name}, {label}: " + ", ".join(f"{x_text(x)} {chart.time_label(y)}" for x, y in points), flush=True)
        return measured

    def a_byte(lines, size):
        return [(label, [(x, y / size(x)) for x, y in points]) for label, points in lines]

    floor = ("feed only", ("feed-only", "binary"))
    apis = [("borrowed, binary", ("borrowed", "binary")), ("borrowed, mixed text", ("borrowed", "mixed")),
            ("borrowed-chunk, binary", ("borrowed-chunk", "binary")), ("whole, binary", ("whole", "binary"))]
    kept = ("borrowed-chunk, kept", ("borrowed-chunk", "binary", True))

    def by_size(size, api, kind, kept=False):
        path, _ = inputs.make(kind, size, max(total, 2 * size))
        return cost(path, api, seconds=seconds, kept=kept)

    largest = (1 << 20) if quick else (64 << 20)
    lines = sweep("message-size", powers(16, largest, 16 if quick else 4), [*apis, kept, floor], by_size, chart.size_label)
    draw("message-size", "Cost a byte by message size", "message size", "ns a byte", a_byte(lines, lambda size: size),
         chart.size_label)
    draw("message-size-a-message", "Cost a message by its size", "message size", "time a message", lines, chart.size_label,
         y_text=chart.time_label, note="Server, CPU time; lower is better; a line as steep as feed only costs the same a byte.")

    def by_fragments(count, api, kind, kept=False):
        path, _ = inputs.make(kind, 1 << 20, min(total, 16 << 20), fragments=count)
        return cost(path, api, seconds=seconds, kept=kept)

    counts = [1, 100, 10_000] if quick else [1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000]
    lines = sweep("fragments", counts, [*apis, kept, floor], by_fragments, chart.count_label)
    draw("fragments", "Cost of a 1 MiB message by its fragments", "fragments a message", "ns a byte",
         a_byte(lines, lambda _: 1 << 20), chart.count_label, ("a message", 1 << 20, chart.time_label))

    def by_chunk(chunk, api, kind):
        path, _ = inputs.make(kind, 1024, (1 if chunk < 64 else 16) << 20)
        return cost(path, api, "--chunk", str(chunk), seconds=seconds)

    lines = sweep("read-size", powers(1, 1 << 20, 16 if quick else 4), [*apis, floor], by_chunk, chart.size_label)
    draw("read-size", "Cost of a 1 KiB message by the size of reads", "bytes a read", "ns a byte",
         a_byte(lines, lambda _: 1024), chart.size_label, ("a message", 1024, chart.time_label))

    def by_connections(count, api, kind):
        path, _ = inputs.make(kind, 125, 32 << 20)
        return cost(path, api, "--chunk", "frame", "--connections", str(count), seconds=seconds)

    counts = [1, 1_000, 100_000] if quick else [1, 10, 100, 1_000, 10_000, 100_000]
    lines = sweep("connections", counts, [*apis[2:], floor], by_connections, chart.count_label)
    draw("connections", "Cost of a 125 B message, one frame a read, by connections in turn", "connections", "ns a byte",
         a_byte(lines, lambda _: 125), chart.count_label, ("a message", 125, chart.time_label))
    figures["grid"] = grid.run(folder, cost, chart.size_label, seconds / 2, quick, f"Measured on: {report.processor()}.")
    return figures

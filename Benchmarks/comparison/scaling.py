# SPDX-License-Identifier: Apache-2.0
"""How the cost grows with message size, fragments, read size and connections."""

import json
import subprocess
import sys

import chart
import inputs
from contenders import ROOT

BENCH = ROOT / ".build" / "release" / "wsproto-bench"


def cost(path, api, *more, seconds):
    command = [str(BENCH), "decode", "--json", "--input", str(path), "--api", api, "--min-seconds", str(seconds), *more]
    runs = []
    for _ in range(3):
        done = subprocess.run(command, capture_output=True, text=True)
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
    seconds = 0.02 if quick else 0.1
    total = (4 if quick else 64) << 20
    figures = {}

    def sweep(name, values, title, x_label, y_label, lines, measure_one, x_text):
        series = []
        for label, options in lines:
            points = []
            for value in values:
                y, record = measure_one(value, options)
                points.append((value, y))
                figures.setdefault(name, {}).setdefault(label, []).append([value, y, record["ns_per_message"]])
            series.append((label, points, label != "feed only"))
            print(f"{name}, {label}: " + ", ".join(f"{x_text(x)} {y:.3g}" for x, y in points), flush=True)
        svg = chart.line_chart(title, "Server, CPU time; lower is better; a flat line costs the same everywhere.",
                               x_label, y_label, series, x_text)
        (folder / f"scaling-{name}.svg").write_text(svg)

    apis = [("borrowed, binary", ("borrowed", "binary")), ("borrowed, mixed text", ("borrowed", "mixed")),
            ("borrowed-chunk, binary", ("borrowed-chunk", "binary")), ("whole, binary", ("whole", "binary")),
            ("feed only", ("feed-only", "binary"))]

    def by_size(size, options):
        api, kind = options
        path, _ = inputs.make(kind, size, max(total, 2 * size))
        record = cost(path, api, seconds=seconds)
        return record["ns_per_message"] / size, record

    largest = (1 << 20) if quick else (64 << 20)
    sweep("message-size", powers(16, largest, 16 if quick else 4), "Cost a byte by message size", "message size",
          "ns a byte", apis, by_size, chart.size_label)

    def by_fragments(count, options):
        api, kind = options
        path, about = inputs.make(kind, 1 << 20, min(total, 16 << 20), fragments=count)
        record = cost(path, api, seconds=seconds)
        return record["ns_per_message"] / (1 << 20), record

    counts = [1, 100, 10_000] if quick else [1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000]
    sweep("fragments", counts, "Cost a byte of a 1 MiB message by its fragments", "fragments a message", "ns a byte", apis,
          by_fragments, chart.count_label)

    def by_chunk(chunk, options):
        api, kind = options
        path, _ = inputs.make(kind, 1024, (1 if chunk < 64 else 16) << 20)
        record = cost(path, api, "--chunk", str(chunk), seconds=seconds)
        return record["ns_per_message"] / 1024, record

    sweep("read-size", powers(1, 1 << 20, 16 if quick else 4), "Cost a byte by read size, messages of 1 KiB", "bytes a read",
          "ns a byte", apis, by_chunk, chart.size_label)

    def by_connections(count, options):
        api, kind = options
        path, _ = inputs.make(kind, 125, 32 << 20)
        record = cost(path, api, "--chunk", "frame", "--connections", str(count), seconds=seconds)
        return record["ns_per_message"], record

    counts = [1, 1_000, 100_000] if quick else [1, 10, 100, 1_000, 10_000, 100_000]
    sweep("connections", counts, "Cost of a 125 B message, one frame a read, by connections in turn", "connections",
          "ns a message", apis[2:], by_connections, chart.count_label)
    (folder / "scaling.json").write_text(json.dumps(figures, indent=1) + "\n")
    (folder / "scaling.md").write_text("\n".join(section(folder)))


def section(folder):
    """The plots that are there, each above the sentences that explain its bends (scaling-notes.md)."""
    lines = ["## Scaling", ""]
    for note in (ROOT / "scaling-notes.md").read_text().split("\n## ")[1:]:
        name, _, text = note.partition("\n")
        if (folder / f"scaling-{name}.svg").exists():
            lines += [f"![{name}](scaling-{name}.svg)", "", text.strip(), ""]
    return lines if len(lines) > 2 else []

# SPDX-License-Identifier: Apache-2.0
"""The tables and the chart."""

import os
import platform
import subprocess
from pathlib import Path

import chart

SIZE_NAMES = {16: "16 B", 125: "125 B", 1024: "1 KiB", 16384: "16 KiB", 262144: "256 KiB", 1048576: "1 MiB", 0: "ns"}
FLOORS = {"feed only", "feed, allocate, copy", "memcpy", "zlib"}


def duration(ns):
    if ns < 10:
        return f"{ns:.1f}"
    if ns < 1000:
        return f"{ns:.0f}"
    if ns < 1e6:
        return f"{ns / 1000:.3g} µs"
    return f"{ns / 1e6:.3g} ms"


def ratio(value):
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def processor():
    """Its name, its cores and its widest vectors: a ratio holds for one kind of processor only."""
    model, flags = platform.processor() or platform.machine(), set()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                model = value.strip()
            elif name.strip() == "flags":
                flags = set(value.split())
                break
    except OSError:
        pass
    vectors = next((name for flag, name in (("avx512bw", "AVX-512"), ("avx2", "AVX2")) if flag in flags), None)
    return f"{model}, {os.cpu_count()} cores" + (f", {vectors}" if vectors else "")


def machine():
    swift = subprocess.run(["swift", "--version"], capture_output=True, text=True).stdout.splitlines()
    return f"{platform.system()} {platform.machine()}, {swift[0].strip() if swift else 'Swift'}"


class Results:
    """Sections → operation → size → contender → record."""

    def __init__(self):
        self.sections = {}
        self.order = []

    def add(self, cell, medians):
        for operation, by_name in medians.items():
            section = cell.section if operation in cell.section or operation == "handshake" else f"{cell.section}: {operation}"
            if section not in self.sections:
                self.sections[section] = {}
                self.order.append(section)
            self.sections[section].setdefault(cell.size, {}).update(by_name)


BEST_OF = "best of "


def stacks_of(name):
    """The stacks that a name stands for: one, or those that it means the best of."""
    return name.removeprefix(BEST_OF).split(" and ") if name.startswith(BEST_OF) else [name]


def best_of_ours(by_name):
    ours = [record["ns_per_message"] for name, record in by_name.items() if name.startswith("WSProto")]
    return min(ours) if ours else None


def table(section, by_size):
    sizes = sorted(by_size)
    names = []
    for size in sizes:
        for name in by_size[size]:
            if name not in names:
                names.append(name)
    figures = {name: {s: by_size[s][name]["ns_per_message"] for s in sizes if name in by_size[s]} for name in names}
    ours = {size: best_of_ours(by_size[size]) for size in sizes}
    order = sorted(figures, key=lambda n: (n not in FLOORS, not n.startswith("WSProto"), min(figures[n].values())))
    lines = [f"### {section[0].upper()}{section[1:]}", "",
             "| ns a message (× our best) | " + " | ".join(SIZE_NAMES.get(s, f"{s} B") for s in sizes) + " |",
             "|---|" + "---|" * len(sizes)]
    for name in order:
        cells = []
        for size in sizes:
            value = figures[name].get(size)
            if value is None:
                cells.append("–")
            elif ours[size] and not name.startswith("WSProto"):
                cells.append(f"{duration(value)} ({ratio(value / ours[size])})")
            else:
                cells.append(f"**{duration(value)}**" if ours[size] == value else duration(value))
        lines.append(f"| {'*' + name + '*' if name in FLOORS else name} | " + " | ".join(cells) + " |")
    allocations = allocation_line(sizes, by_size)
    return lines + ([""] + allocations if allocations else []) + [""]


def allocation_line(sizes, by_size):
    out = []
    for name in sorted({n for s in sizes for n in by_size[s] if n.startswith("WSProto")}):
        values = [by_size[s][name].get("allocations_per_message") for s in sizes if name in by_size[s]]
        if all(v is not None for v in values):
            out.append(f"{name}: " + ", ".join(f"{v:.3f}".rstrip("0").rstrip(".") for v in values))
    return ["Allocations a message: " + "; ".join(out) + "."] if out else []


def deflate_ratios(results):
    lines = []
    for section in results.order:
        if not section.endswith(": compress"):
            continue
        for size, by_name in sorted(results.sections[section].items()):
            parts = [f"{name} {r['output_bytes'] / r['payload_bytes']:.3f}" for name, r in by_name.items() if r["payload_bytes"]]
            lines.append(f"Compressed size over plain size at {SIZE_NAMES.get(size, size)}: " + ", ".join(parts) + ".")
    return lines + [""] if lines else []


def markdown(results, goals, contenders, missing, failures, settings, summary):
    lines = ["# Comparison", "",
             f"Processor: {processor()}. {machine()}. {settings}. Medians of process CPU time; the contenders take turns in every round, "
             "each a process of its own on the same files; every checksum was verified. In parentheses: how many times "
             "our best figure in that column (above 1: we are faster). Floors in italics. What is measured, and how, is "
             "in [Benchmarks/README.md](../README.md); what the missed goals come from, in [goals.md](goals.md); how the cost "
             "grows with sizes, fragments, reads and connections, in [scaling.md](scaling.md).", ""]
    given = [contender.name for contender in contenders if contender.given]
    if given:
        lines += [f"Built outside of `compare`, and given to it with `--peer`: {', '.join(given)}. They read the same inputs "
                  "and were held to the same checksums; how they were built is for whoever gave them to say.", ""]
    if summary:
        lines += [f"![summary]({summary.name})", ""]
    lines += goals
    for section in results.order:
        lines += table(section, results.sections[section])
    lines += deflate_ratios(results)
    lines += ["## Contenders", ""]
    for contender in contenders:
        outside = " (built outside of this script, `--peer`)" if contender.given else ""
        lines.append(f"- {contender.name} {contender.version}".rstrip() + outside)
    for name, why in missing.items():
        lines.append(f"- missing: {name}: {why}")
    for name, why in failures.items():
        lines.append(f"- failed in part: {name}: {why}")
    return "\n".join(lines) + "\n"


# Of our ways to receive, the two that differ: the others' bars would be as long as these.
CHARTED = {"WSProto", "WSProto borrowed", "WSProto whole"}
NAMES_OF_OURS = {"WSProto borrowed": "WSProto, borrowed", "WSProto whole": "WSProto, owned"}


def charted(name):
    return not name.startswith("WSProto") or name in CHARTED


def summary_chart(by_size, folder):
    """Bars for a page that shows one picture: bytes a second at four sizes, the time of a message beside each."""
    sizes = [size for size in (16, 1024, 16384, 1048576) if size in by_size]
    sizes = sizes if len(sizes) > 1 else sorted(by_size)
    panels = []
    for size in sizes:
        # Without the floors: at small sizes a copy alone is so fast that all other bars would be dots.
        bars = [(NAMES_OF_OURS.get(name, name), size / r["ns_per_message"], duration_unit(r["ns_per_message"]),
                 "ours" if name.startswith("WSProto") else "bar")
                for name, r in by_size[size].items() if charted(name) and name not in FLOORS]
        panels.append((f"messages of {SIZE_NAMES.get(size, f'{size} B')}", sorted(bars, key=lambda bar: -bar[1])))
    path = folder / "summary.svg"
    path.write_text(chart.bar_panels(
        "A server receives binary messages, 64 KiB a read",
        "CPU time a message; a longer bar is faster. Borrowed: looked at where it lies. Owned: may be kept." + f" {processor()}.", panels))
    return path


def duration_unit(ns):
    return f"{duration(ns)} ns" if ns < 1000 else duration(ns)

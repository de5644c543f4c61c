# SPDX-License-Identifier: Apache-2.0
"""The cost of a steady stream by the size of its frames and of its reads: results/scaling-grid.md.

A cell that costs more than LIMIT times its best neighbour is a cliff. Each table is made again without what may cause
one: from an input that fits the caches, and, in the last column, with reads that cut no frame.
"""

import inputs

SIZES = [1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20]
READS = [4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10, 128 << 10, 256 << 10]
LIMIT = 1.3
APIS = ["borrowed", "borrowed-parts"]
INPUTS = [("from memory", 64 << 20), ("from the caches", 4 << 20)]


def neighbours(size, read):
    i, k = SIZES.index(size), READS.index(read)
    for di, dk in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        if 0 <= i + di < len(SIZES) and 0 <= k + dk < len(READS):
            yield SIZES[i + di], READS[k + dk]


def table(label, cells):
    """Lines of markdown, and how many cells are cliffs."""
    name = {**{size: label(size) for size in SIZES + READS}, "frame": "a frame a read"}
    lines = ["| frames | " + " | ".join(name[read] for read in READS + ["frame"]) + " |", "|---|" + "---|" * (len(READS) + 1)]
    cliffs = 0
    for size in SIZES:
        row = []
        for read in READS:
            ratio = cells[size, read] / min(cells[other] for other in neighbours(size, read))
            cliffs += ratio > LIMIT
            text = f"{cells[size, read]:.0f}"
            row.append(f"**{text}** ({ratio:.2f}×)" if ratio > LIMIT else text)
        lines.append(f"| {name[size]} | " + " | ".join(row) + f" | {cells[size, 'frame']:.0f} |")
    return lines, cliffs


def run(folder, cost, label, seconds, quick, about):
    """Measures with `cost` and writes the tables; gives back the figures."""
    figures, text = {}, [
        "# Frames by reads", "", about,
        f"ns a KiB of binary payload, a server's CPU time. In bold: more than {LIMIT} times the best of the cells above, below, "
        "left and right. The last column cuts no frame: each read is one (of at most 512 KiB).", ""]
    for api in APIS[:1] if quick else APIS:
        for source, total in INPUTS[1:] if quick else INPUTS:
            cells = {}
            for size in SIZES:
                path, _ = inputs.make("binary", size, total)
                for read in READS + ["frame"]:
                    done = cost(path, api, "--chunk", str(read), seconds=seconds)
                    cells[size, read] = done["ns_per_message"] / size * 1024
            lines, cliffs = table(label, cells)
            print(f"grid, {api}, {source}: {cliffs} cells over {LIMIT}", flush=True)
            text += [f"## {api}, {source} ({total >> 20} MiB)", "", *lines, "", f"{cliffs} cells over {LIMIT}.", ""]
            figures[f"{api}, {source}"] = [[size, read, ns] for (size, read), ns in cells.items()]
    (folder / "scaling-grid.md").write_text("\n".join(text).rstrip() + "\n")
    return figures

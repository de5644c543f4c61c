# SPDX-License-Identifier: Apache-2.0
"""Input files, made once and kept, each beside the generator's description of it."""

import json
import subprocess
from pathlib import Path

from contenders import ROOT, WORK

FOLDER = WORK / "inputs"


def cache_bytes():
    """The size of the largest cache, as Linux tells it; 32 MiB where it does not."""
    best = 0
    for entry in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        text = entry.read_text().strip()
        unit = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}.get(text[-1:], 1)
        best = max(best, int(text.rstrip("KMG")) * unit)
    return best or 32 << 20


def make(kind, size, total, format="frames", fragments=1, unmasked=False):
    """(path, description) of an input; `total` in bytes."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    name = f"{kind}-{size}-{fragments}-{total}{'-unmasked' if unmasked else ''}.{format}"
    path, about = FOLDER / name, FOLDER / (name + ".json")
    if not about.exists():
        command = [str(ROOT / ".build" / "release" / "wsproto-bench-inputs"), "--format", format, "--kind", kind,
                   "--size", str(size), "--total", str(total), "--fragments", str(fragments), "--output", str(path)]
        done = subprocess.run(command + (["--unmasked"] if unmasked else []), capture_output=True, text=True, check=True)
        about.write_text(done.stdout)
    return path, json.loads(about.read_text())


def slow_total(size, total):
    """Enough for a stack that takes microseconds a message: 4,000 messages or 8 MiB, whichever is less."""
    return min(total, max(4000 * min(size + 14, 8 << 20), 1 << 16) if size < 2048 else max(8 << 20, 4 * size))

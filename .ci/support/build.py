# SPDX-License-Identifier: Apache-2.0
"""The package as the other stages have built it for debugging, to compile and link single files against."""

import json
import subprocess
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def library(target):
    """Builds a target, which takes a second where it is built already."""
    done = subprocess.run(["swift", "build", "--target", target], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)
    if done.returncode != 0:
        raise SystemExit(done.stdout)


@lru_cache
def folder():
    shown = subprocess.run(["swift", "build", "--show-bin-path"], cwd=ROOT, capture_output=True, text=True, check=True)
    return Path(shown.stdout.strip())


def module_flags():
    """What `swiftc` must be told to import the libraries: where the modules of Swift are, and the maps of those of C."""
    maps = [ROOT / "Sources/CZlib/module.modulemap", *sorted(folder().glob("*.build/module.modulemap")),
            *sorted((ROOT / ".build/checkouts").glob("*/Sources/*/include/module.modulemap"))]
    return ["-I", str(folder() / "Modules"), *(flag for map in maps for flag in ("-Xcc", f"-fmodule-map-file={map}"))]


def objects():
    """What a program that imports WSProto links. A build leaves the objects of files that have gone since."""
    sources = {file.name for module in ("WSProto", "CWSProtoKernels") for file in (ROOT / "Sources" / module).rglob("*")}
    gone = lambda module, file: module != "HTTPTypes" and file.name.removesuffix(".o") not in sources
    return [str(file) for module in ("WSProto", "CWSProtoKernels", "HTTPTypes")
            for file in sorted((folder() / f"{module}.build").rglob("*.o")) if not gone(module, file)] + ["-lz"]


def manifest_flags():
    """What `swiftc` must be told to import PackageDescription."""
    info = subprocess.run(["swiftc", "-print-target-info"], capture_output=True, text=True, check=True)
    resources = Path(json.loads(info.stdout)["paths"]["runtimeResourcePath"])
    return ["-I", str(resources / "pm" / "ManifestAPI"), "-package-description-version", "6.2"]

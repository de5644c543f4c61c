# SPDX-License-Identifier: Apache-2.0
"""The contenders: how each is installed, built and started, and why one is missing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / ".work"
BIN = WORK / "bin"
C = ROOT / "Peers" / "c"
VENV = WORK / "venv"
# Stacks that the goals name and that are in no package this script could install.
NOT_BUILT = ("uWebSockets", "tungstenite", "tokio-websockets", "fastwebsockets")
SWIFT_PRODUCTS = ["wsproto-bench-inputs", "wsproto-bench", "peer-nio"]


class Contender:
    """A program that measures one stack; `slow` ones get shorter inputs of the same messages.

    A `given` one is the user's own (--peer): what it lacks is found by trying, and its version is what it prints.
    """

    def __init__(self, name, command, operations, slow=False, arguments=(), version="", given=False):
        self.name = name
        self.command = [str(part) for part in command]
        self.operations = operations
        self.slow = slow
        self.arguments = list(arguments)
        self.version = version
        self.given = given


def run(command, **more):
    """Runs a command quietly; gives back None, or the last lines of what it said as it failed."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    if done.returncode == 0:
        return None
    return " / ".join(done.stdout.strip().splitlines()[-3:]) or f"exit code {done.returncode}"


def debian_version(package):
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def install(packages):
    """Installs Debian packages that are not there yet; gives back why it could not."""
    missing = [package for package in packages if not debian_version(package)]
    if not missing:
        return None
    # Unset where this script is run by hand.
    if os.environ.get("WSPROTO_CI_INSTALLS", "yes") != "yes":
        return f"{', '.join(missing)} not installed"
    if not shutil.which("apt-get"):
        return f"{', '.join(missing)} not installed, and there is no apt-get"
    command = ["apt-get", "install", "-y", "-q", *missing]
    if os.geteuid() != 0:
        command = ["sudo", "-n", *command] if shutil.which("sudo") else command
    why = run(command)
    if why and run((["sudo", "-n"] if os.geteuid() != 0 else []) + ["apt-get", "update", "-q"]) is None:
        why = run(command)
    return why


def given(text):
    """The contender of `--peer NAME=PROGRAM`; the names that the goals know are spelt as there."""
    name, separator, program = text.partition("=")
    name = {stack.lower(): stack for stack in NOT_BUILT}.get(name.strip().lower(), name.strip())
    # Names that begin like ours are taken for ours by the tables.
    if not separator or not name or not program or "|" in name or name.startswith("WSProto"):
        sys.exit(f"error: --peer {text}: NAME=PROGRAM is wanted, and a name that is not ours")
    path = shutil.which(os.path.expanduser(program))
    if path is None:
        sys.exit(f"error: --peer {text}: {program} is no program")
    return Contender(name, [os.path.abspath(path)], [], given=True)


def newer(output, sources):
    return output.exists() and all(output.stat().st_mtime >= source.stat().st_mtime for source in sources)


def compile_c(compiler, output, source, *flags):
    output = BIN / output
    if newer(output, [C / source, C / "bench.h"]):
        return None
    return run([compiler, "-O3", "-march=native", "-DNDEBUG", str(C / source), "-o", str(output), *flags])


def swift_build(jobs):
    for product in SWIFT_PRODUCTS:
        print(f"building {product}", file=sys.stderr)
        why = run(["swift", "build", "-c", "release", "-j", str(jobs), "--product", product], cwd=ROOT)
        if why:
            sys.exit(f"error: {product} does not build: {why}")


def swift_build_isal(jobs):
    """Builds wsproto-bench with the trait ISAL, in a folder of its own; gives back why it could not."""
    print("building wsproto-bench with ISA-L", file=sys.stderr)
    return install(["libisal-dev"]) or run(
        ["swift", "build", "-c", "release", "-j", str(jobs), "--traits", "ISAL", "--scratch-path", ".build-isal",
         "--product", "wsproto-bench"], cwd=ROOT)


def swift_version(package):
    done = subprocess.run(["git", "-C", str(ROOT / ".build" / "checkouts" / package), "describe", "--tags"],
                          capture_output=True, text=True)
    return done.stdout.strip()


def prepare(jobs=2):
    """Installs and builds everything; gives back the contenders, and {name: why} for the missing ones."""
    BIN.mkdir(parents=True, exist_ok=True)
    swift_build(jobs)
    swift = ROOT / ".build" / "release"
    bench = swift / "wsproto-bench"
    found, missing = [], {}

    def add(why, *contenders):
        for contender in contenders:
            if why:
                missing[contender.name] = why
            else:
                found.append(contender)

    why = install(["gcc", "g++", "zlib1g-dev"]) or compile_c("gcc", "peer-floor", "floors.c", "-std=gnu11", "-lz")
    floor = BIN / "peer-floor"
    add(why,
        Contender("feed only", [floor], ["decode"], arguments=["--api", "feed-only"], version="memcpy"),
        Contender("feed, allocate, copy", [floor], ["decode"], arguments=["--api", "copy"], version="C"),
        Contender("memcpy", [floor], ["encode-server"], version="C"),
        Contender("zlib", [floor], ["deflate"], version=debian_version("zlib1g-dev")))

    add(None,
        *(Contender(f"WSProto {api}", [bench], ["decode"], arguments=["--api", api])
          for api in ("borrowed", "borrowed-chunk", "borrowed-parts", "events", "whole")),
        *(Contender(f"WSProto {api}, utf8", [bench], ["decode"], arguments=["--api", f"{api}-utf8"])
          for api in ("events", "whole")),
        Contender("WSProto into memory", [bench], ["encode"], arguments=["--api", "span"]),
        Contender("WSProto", [bench], ["encode", "deflate", "handshake"]))
    isal = Contender("WSProto with ISA-L", [ROOT / ".build-isal" / "release" / "wsproto-bench"], ["deflate"])
    add(swift_build_isal(jobs), isal)
    isal.version = f"libisal {debian_version('libisal-dev')}"

    why = install(["libboost1.81-dev"])
    why = why and install(["libboost-dev"])
    add(why or compile_c("g++", "peer-beast", "beast.cpp", "-std=c++17"),
        Contender("Boost.Beast", [BIN / "peer-beast"], ["decode", "encode", "deflate", "handshake"],
                  version=debian_version("libboost1.81-dev") or debian_version("libboost-dev")))

    add(install(["libwslay-dev"]) or compile_c("gcc", "peer-wslay", "wslay.c", "-std=gnu11", "-lwslay"),
        Contender("wslay", [BIN / "peer-wslay"], ["decode", "encode"], version=debian_version("libwslay-dev")))

    for name in NOT_BUILT:
        missing[name] = "neither in Debian nor on PyPI (--peer brings one of your own)"

    add(None, Contender("NIOWebSocket", [swift / "peer-nio"], ["decode", "encode", "handshake"], slow=True,
                        version=swift_version("swift-nio")))

    why = install(["nodejs", "node-ws"]) if not shutil.which("node") else install(["node-ws"])
    add(why, Contender("Node ws", ["node", ROOT / "Peers" / "node" / "peer-ws.js"],
                       ["decode", "encode", "deflate", "handshake"], slow=True, version=debian_version("node-ws")))

    why = python_environment()
    for name, script in (("Python websockets", "peer-websockets"), ("Python wsproto", "peer-wsproto")):
        add(why, Contender(name, [VENV / "bin" / "python", ROOT / "Peers" / "python" / script],
                           ["decode", "encode", "deflate", "handshake"], slow=True,
                           version=python_version(name.split()[1])))
    return found, missing


def python_environment():
    if (VENV / "complete").exists():
        return None
    why = run([sys.executable, "-m", "venv", str(VENV)])
    why = why or run([str(VENV / "bin" / "pip"), "install", "-q", "wsproto==1.2.0", "websockets"])
    if not why:
        (VENV / "complete").touch()
    return why


def python_version(package):
    done = subprocess.run([str(VENV / "bin" / "python"), "-c",
                           f"import importlib.metadata as m; print(m.version('{package}'))"],
                          capture_output=True, text=True)
    return done.stdout.strip()

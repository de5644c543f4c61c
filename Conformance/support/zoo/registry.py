# SPDX-License-Identifier: Apache-2.0
"""The peers: what the head of each file in peers/ says about it.

    zoo-name: gorilla                    how the matrix calls it; the file's name without its ending when left out
    zoo-roles: client server             what it can be; `proxy` stands in front of a server
    zoo-apt: PACKAGE …                   Debian packages
    zoo-pip: REQUIREMENT …               what comes from PyPI
    zoo-build: COMMAND                   before the first run; {file}, {build} (an empty folder)
    zoo-run: COMMAND                     {file}, {build}, {python} (of the virtual environment); `client`, `server PORT`,
                                         `proxy PORT UPSTREAM-PORT` or `version` comes behind it
    zoo-environment: NAME=VALUE …        for building and running
    zoo-cannot: ROLE ITEM …: REASON      an item that its interface has no way to do
    zoo-items: ITEM …                    these alone; all where it is left out
    zoo-note: ROLE ITEM …: TEXT          how an item differs with this peer
"""

import os
import re
import shlex
import shutil
import subprocess

PEERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers")
HEAD = re.compile(r"^\W*zoo-(\w+): (.*?)(?: \*/)?$")


class Peer:
    def __init__(self, path):
        self.path = path
        self.name = os.path.basename(path).split(".")[0]
        self.roles, self.apt, self.pip, self.items = [], [], [], []
        self.build = None
        self.run = None
        self.environment = {}
        self.cannot, self.notes = {}, {}
        with open(path, encoding="utf-8") as file:
            for line in file:
                match = HEAD.match(line.rstrip())
                if match:
                    self._take(*match.groups())

    @property
    def slug(self):
        """The name, for files."""
        return self.name.replace(" ", "-")

    def _take(self, key, value):
        if key == "name":
            self.name = value
        elif key in ("roles", "apt", "pip", "items"):
            getattr(self, key).extend(value.split())
        elif key in ("build", "run"):
            setattr(self, key, value)
        elif key == "environment":
            self.environment.update(pair.split("=", 1) for pair in value.split())
        elif key in ("cannot", "note"):
            role, names, reason = re.match(r"(\w+) ([^:]+): (.*)", value).groups()
            for item in names.split():
                (self.cannot if key == "cannot" else self.notes)[role, item] = reason
        else:
            raise ValueError(f"{self.path}: zoo-{key}?")


def peers():
    found = []
    for name in sorted(os.listdir(PEERS)):
        path = os.path.join(PEERS, name)
        if os.path.isfile(path):
            peer = Peer(path)
            if peer.roles:
                found.append(peer)
    return sorted(found, key=lambda peer: peer.name)


class Prepared:
    """A peer that was built and told its version, or why it is missing."""

    def __init__(self, peer, work, python):
        self.peer = peer
        self.version = None
        self.missing = None
        #: Whether what builds it was there, and failed.
        self.broken = False
        self.folder = os.path.join(work, "build", peer.slug)
        self.environment = dict(os.environ, PYTHONDONTWRITEBYTECODE="1", PYTHONUNBUFFERED="1")
        self.environment.pop("PYTHONPATH", None)
        for name, value in peer.environment.items():
            self.environment[name] = value.format(build=self.folder)
        self._values = {"file": peer.path, "build": self.folder, "python": python, "peers": PEERS}
        self._prepare()

    def command(self, *arguments):
        return [part.format(**self._values) for part in shlex.split(self.peer.run)] + list(map(str, arguments))

    def _prepare(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder, exist_ok=True)
        steps = []
        if self.peer.build:
            steps.append(["sh", "-c", self.peer.build.format(**self._values)])
        steps.append(self.command("version"))
        for step in steps:
            try:
                done = subprocess.run(
                    step, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True,
                    text=True, errors="replace", timeout=180, check=False,
                )
            except FileNotFoundError as error:
                self.missing = f"there is no {error.filename}"
                return
            except subprocess.TimeoutExpired:
                self.missing = "it was not built in 180 s"
                return
            if done.returncode != 0:
                with open(os.path.join(self.folder, "failed.log"), "w") as file:
                    file.write(done.stdout + done.stderr)
                lines = (done.stderr.strip() or done.stdout.strip() or f"status {done.returncode}").splitlines()
                telling = [line for line in lines if "rror" in line or "not found" in line] or lines
                self.missing = telling[0].strip()[:120]
                self.broken = step is not steps[-1]
                return
        self.version = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else "?"

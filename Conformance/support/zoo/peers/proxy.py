# SPDX-License-Identifier: Apache-2.0
"""What the proxies share: the file of their configuration, and how they are started."""

import os
import shutil
import subprocess
import sys


def program(name):
    path = os.environ.get("PATH", os.defpath) + os.pathsep + "/usr/sbin"
    found = shutil.which(name, path=path)
    if not found:
        sys.exit(f"there is no {name}")
    return found


def main(name, version, configuration, command):
    """`configuration(port, upstream, folder)` is the file's text, `command(program, file)` runs it in the foreground."""
    role, *ports = sys.argv[1:]
    if role == "version":
        done = subprocess.run([program(name), *version], capture_output=True, text=True)
        print((done.stdout + done.stderr).strip().splitlines()[0])
        return
    folder = os.path.join(os.getcwd(), ports[0])
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "configuration")
    with open(path, "w") as file:
        file.write(configuration(*map(int, ports), folder))
    arguments = command(program(name), path)
    os.execv(arguments[0], arguments)

# SPDX-License-Identifier: Apache-2.0
"""What the scripts of this folder share: paths, virtual environments, free ports, testees."""

import hashlib
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
import venv

CONFORMANCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(CONFORMANCE)
WORK = os.path.join(CONFORMANCE, ".work")
EXPECTATIONS = os.path.join(CONFORMANCE, "expectations")
REPORTS = os.path.join(WORK, "reports")
SUMMARIES = os.path.join(CONFORMANCE, "reports")
PYTHON_PACKAGE = os.path.join(CONFORMANCE, "python")
SUPPORT = os.path.dirname(os.path.abspath(__file__))
NIO_TESTEE = os.path.join(CONFORMANCE, "nio-testee")

#: Exit status for "this machine lacks something", as in the Automake test protocol.
MISSING = 77


def say(*words):
    print(*words, flush=True)


def run(command, tries=1, **options):
    """Run quietly; on failure, the last one of so many tries, show the output and stop."""
    for number in range(1, tries + 1):
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", **options
        )
        if done.returncode == 0 or number == tries:
            break
        time.sleep(10 * number)
    if done.returncode != 0:
        sys.stderr.write(done.stdout)
        sys.exit(f"failed ({done.returncode}): {' '.join(map(str, command))}")
    return done.stdout


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def environment(name, requirements, prepare=None):
    """A virtual environment under .work with exactly these requirements, made when missing or stale.

    `prepare(path)` replaces the making of a plain Python 3 environment. Returns the environment's path.
    """
    path = os.path.join(WORK, "environments", name)
    stamp = os.path.join(path, ".requirements")
    # The interpreter's path is part of the stamp: an environment dies with the Python that made it.
    wanted = hashlib.sha256("\n".join([sys.base_prefix, sys.version, *requirements]).encode()).hexdigest()
    if os.path.exists(stamp) and read(stamp) == wanted:
        return path
    say(f"preparing the environment '{name}'")
    shutil.rmtree(path, ignore_errors=True)
    if prepare is None:
        venv.create(path, with_pip=True)
    else:
        prepare(path)
    run([
        os.path.join(path, "bin", "python"), "-m", "pip", "install", "--quiet",
        "--disable-pip-version-check", *requirements,
    ], tries=3)
    write(stamp, wanted)
    return path


def python_of(path):
    return os.path.join(path, "bin", "python")


def find_python27():
    """Path of a Python 2.7 that runs, or None."""
    candidates = [shutil.which("python2.7"), shutil.which("python2")]
    pyenv = shutil.which("pyenv")
    if pyenv:
        found = subprocess.run([pyenv, "prefix", "2.7.18"], capture_output=True, text=True)
        if found.returncode == 0:
            candidates.append(os.path.join(found.stdout.strip(), "bin", "python"))
    candidates.append(os.path.expanduser("~/.pyenv/versions/2.7.18/bin/python"))
    for candidate in candidates:
        if candidate and os.path.exists(candidate):
            # A pyenv shim exists even where the version is not selected, so ask it.
            answer = subprocess.run(
                [candidate, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True, text=True
            )
            if answer.returncode == 0 and answer.stdout.strip() == "(2, 7)":
                return candidate
    return None


def sdist(name, version):
    """Unpacked source distribution from PyPI; returns its folder."""
    folder = os.path.join(WORK, "sdists", f"{name}-{version}")
    if not os.path.isdir(folder):
        say(f"fetching the sdist of {name} {version}")
        parent = os.path.dirname(folder)
        os.makedirs(parent, exist_ok=True)
        archive = folder + ".tar.gz"
        if not os.path.exists(archive):
            run([
                sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
                "--no-deps", "--no-binary", ":all:", "--dest", parent, f"{name}=={version}",
            ], tries=3)
        shutil.unpack_archive(archive, parent)
    return folder


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


_built = {}


def build(product, package=ROOT, trait=None):
    """Build a product of the package for release; returns the folder of the binaries."""
    if product not in _built:
        say(f"building {product}" + (f" with {trait}" if trait else ""))
        # One folder for all packages, so that the library is built once; others for what has more dependencies.
        kind = "nio" if package == NIO_TESTEE else (trait or "release").lower()
        scratch = os.environ.get("WSPROTO_SCRATCH_PATH") or os.path.join(ROOT, f".build-{kind}")
        command = ["swift", "build", "-c", "release", "--package-path", package, "--scratch-path", scratch]
        if trait:
            command += ["--traits", trait]
        elif package == ROOT:
            # As the other packages have it; with its default traits the library would be built once more.
            command.append("--disable-default-traits")
        # Else the package that was built before would be built again in place of this one.
        run(command + ["--disable-build-manifest-caching", "--product", product])
        _built[product] = run(command + ["--show-bin-path"]).strip().splitlines()[-1]
    return _built[product]


def nio_testee(verb, *options):
    """Command of the testee on WSProtoNIO, built."""
    return [os.path.join(build("nio-testee", NIO_TESTEE), "nio-testee"), verb, *options]


def certificate(folder):
    """A certificate for localhost that is its own authority, and its key: two files in a folder."""
    paths = os.path.join(folder, "certificate.pem"), os.path.join(folder, "key.pem")
    if not all(map(os.path.exists, paths)):
        if not shutil.which("openssl"):
            say("missing: openssl")
            sys.exit(MISSING)
        os.makedirs(folder, exist_ok=True)
        run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "3650",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-out", paths[0], "-keyout", paths[1]])
    return paths


def testee(role, trait=None):
    """Command of the testee as a list: `WSPROTO_SERVER_TESTEE`/`WSPROTO_CLIENT_TESTEE`, else ours, built."""
    given = os.environ.get(f"WSPROTO_{role.upper()}_TESTEE")
    if given:
        return shlex.split(given)
    product = f"autobahn-{role}"
    return [os.path.join(build(product, os.path.join(CONFORMANCE, "testee"), trait), product)]


def ctypes_library():
    """Path of the shared library with the C interface: `WSPROTO_LIBRARY`, else built."""
    given = os.environ.get("WSPROTO_LIBRARY")
    if given:
        return given
    name = "libWSProtoC.dylib" if sys.platform == "darwin" else "libWSProtoC.so"
    return os.path.join(build("WSProtoC"), name)

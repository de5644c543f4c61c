# SPDX-License-Identifier: Apache-2.0
"""The shared library with AddressSanitizer, and what a program needs to load it.

Not ThreadSanitizer: it doesn't see the locks of Swift's library, and so reports what they protect."""

import os
import shutil
import sys

import common


def library():
    """Path of the library built so."""
    name = "libWSProtoC.dylib" if sys.platform == "darwin" else "libWSProtoC.so"
    # A folder of its own, so that neither way to build undoes the other.
    scratch = os.path.join(common.ROOT, ".build-address")
    command = [
        "swift", "build", "-c", "release", "--package-path", common.ROOT, "--scratch-path", scratch,
        # The trait of the tests in this folder: with others all packages would be fetched and built anew.
        "--sanitize", "address", "--traits", "NIO",
    ]
    common.say("building WSProtoC with AddressSanitizer")
    common.run(command + ["--product", "WSProtoC"])
    return os.path.join(common.run(command + ["--show-bin-path"]).strip().splitlines()[-1], name)


def swift_clang():
    """The clang beside Swift: the library's runtime must be its own."""
    swift = shutil.which("swift")
    beside = os.path.join(os.path.dirname(os.path.realpath(swift)), "clang") if swift else ""
    return beside if os.path.exists(beside) else shutil.which("clang")


def preloaded():
    """Variables for a Python whose ctypes loads such a library: the runtime must come first, and the memory of Python
    come from malloc, which the sanitizer watches."""
    machine = os.uname().machine.replace("arm64", "aarch64")
    file = "libclang_rt.asan_osx_dynamic.dylib" if sys.platform == "darwin" else f"libclang_rt.asan-{machine}.so"
    runtime = common.run([swift_clang(), f"-print-file-name={file}"]).strip()
    if not os.path.isabs(runtime) or not os.path.exists(runtime):
        common.say(f"clang has no {file}")
        sys.exit(common.MISSING)
    preload = "DYLD_INSERT_LIBRARIES" if sys.platform == "darwin" else "LD_PRELOAD"
    # Python leaves memory behind when it ends.
    return {preload: runtime, "PYTHONMALLOC": "malloc", "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1"}

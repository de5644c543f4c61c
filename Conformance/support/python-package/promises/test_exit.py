# SPDX-License-Identifier: Apache-2.0
"""The end of the interpreter."""

import subprocess
import sys
import unittest

PROGRAM = """
from wsproto.connection import CLIENT, Connection
from wsproto.events import TextMessage
from wsproto.extensions import Extension


class Mine(Extension):
    name = "mine"

    def enabled(self):
        return True


connection = Connection(CLIENT, [Mine()])
connection.send(TextMessage("a"))
# Freed with the last of the modules, when the callbacks are gone.
connection.itself = connection
import builtins
builtins.kept = connection
cycle = [connection]
cycle.append(cycle)
"""


class End(unittest.TestCase):
    def test_extensions_in_use_at_the_end(self):
        done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

# SPDX-License-Identifier: Apache-2.0
"""pytest plugin: which package is under test, and each result as a line, written at once.

A line is written when a test starts, so that a crash of the process names its test.
"""

import json
import os

_file = open(os.environ["WSPROTO_RESULTS"], "a", buffering=1)
_worst = {}


def _write(**fields):
    _file.write(json.dumps(fields) + "\n")


def pytest_sessionstart(session):
    import wsproto

    _write(module=os.path.abspath(wsproto.__file__))


def pytest_collection_finish(session):
    _write(collected=[item.nodeid for item in session.items])


def pytest_runtest_logstart(nodeid, location):
    _worst[nodeid] = "passed"
    _write(started=nodeid)


def pytest_runtest_logreport(report):
    # A failure in setup or teardown is a failure of the test; a skip is not a pass.
    if report.failed:
        _worst[report.nodeid] = "failed"
    elif report.skipped and _worst[report.nodeid] == "passed":
        _worst[report.nodeid] = "skipped"


def pytest_runtest_logfinish(nodeid, location):
    _write(test=nodeid, outcome=_worst.pop(nodeid))

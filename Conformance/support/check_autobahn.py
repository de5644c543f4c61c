# SPDX-License-Identifier: Apache-2.0
"""Autobahn's verdicts on a server, beside those of `wsproto check`."""

import json
import os
import shutil
import subprocess

import common

CASES = os.path.join(common.SUPPORT, "autobahn-cases.tsv")
#: Autobahn passes over the rest of a server that does not answer; each case takes it a second or two.
SECONDS = 1200


def sort_key(case):
    return [int(number) for number in case.split(".")]


def table():
    """Autobahn's cases of each of check's."""
    lines = [line for line in common.read(CASES).splitlines() if line and not line.startswith("#")]
    return {case: theirs.split() for case, theirs in (line.split("\t") for line in lines)}


def verdicts(environment, server, folder):
    """What Autobahn says of a server: behavior and behaviorClose by case; or why there is nothing."""
    shutil.rmtree(folder, ignore_errors=True)
    failure = server.start()
    if failure:
        return failure
    spec = {
        "options": {"failByDrop": False}, "outdir": folder,
        "servers": [{"agent": "peer", "url": f"{server.url}/echo", "options": {"version": 18}}],
        "cases": sorted({one for theirs in table().values() for one in theirs}, key=sort_key),
        "exclude-cases": [], "exclude-agent-cases": {},
    }
    common.write(os.path.join(folder, "spec.json"), json.dumps(spec))
    try:
        with open(os.path.join(folder, "wstest.log"), "w", encoding="utf-8") as log:
            subprocess.run(
                [os.path.join(environment, "bin", "wstest"), "-m", "fuzzingclient", "-s", os.path.join(folder, "spec.json")],
                stdout=log, stderr=log, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"Autobahn has not ended within {SECONDS} s"
    finally:
        server.end()
    index = os.path.join(folder, "index.json")
    if not os.path.exists(index):
        return "Autobahn has written no report"
    return {case: (result["behavior"], result["behaviorClose"])
            for case, result in json.loads(common.read(index)).get("peer", {}).items()}


#: What is no fault for Autobahn.
FINE = {"OK", "NON-STRICT", "INFORMATIONAL"}


def agree(ours, theirs):
    """Whether a verdict of check's (`ok`, `-`, `may`, `should`, `must`) and one of Autobahn's say the same.

    What Autobahn calls NON-STRICT it has seen, and lets pass: a violation for check is a difference, a warning is none.
    """
    if ours == "-":
        return True
    if ours in ("ok", "may"):
        return theirs in FINE
    return theirs not in FINE or (ours == "should" and theirs != "OK")


def compare(results, theirs, verdict):
    """Rows (case of check, its verdict, case of Autobahn, its verdict) for all that both have judged."""
    ours = {result["id"]: verdict(result) for result in results}
    return [(case, ours[case], number, theirs[number][0])
            for case, numbers in table().items() if case in ours for number in numbers if number in theirs]


UNKNOWN = "not known"
#: Why verdicts differ: the case of check, its verdicts, Autobahn's, the reason.
REASONS = [
    ("utf8/at-once", {"ok", "may"}, {"FAILED"},
     "`check` notes when it is told (MAY); that the text was then taken is a finding of its other cases under utf8/"),
    ("close/code-1006", {"ok"}, {"FAILED"},
     "a Close of 1000 in answer: Autobahn wants 1002, `check` takes any other code, as RFC 6455 §7.1.7 leaves it to who fails"),
    ("control/close-126", {"must"}, {"OK"},
     "the Close of 126 bytes comes back: Autobahn drops such a frame and waits for none, `check` judges what is sent"),
    ("close/one-byte", {"must"}, {"OK"},
     "the Close of one byte comes back: for Autobahn any end will do, `check` judges what is sent"),
    ("fragmentation/continuation-after-message", {"must"}, {"OK"},
     "the echo comes behind the Close: Autobahn does not read that far, `check` does (RFC 6455 §5.5.1)"),
    ("close/twice", {"must"}, {"OK"},
     "the second Close is answered: Autobahn passes over it, `check` wants TCP closed after both Closes (RFC 6455 §5.5.1)"),
    ("close/inside-message", {"ok"}, {"FAILED"},
     "the fragment that Autobahn sends behind the Close was taken: `check` has that in `close/data-behind`"),
    ("close/ping-behind", {"ok", "may"}, {"FAILED"},
     "a pong behind the Close: RFC 6455 §5.5.1 forbids data frames there, so `check` notes it"),
]


def why(case, ours, theirs):
    """The reason, or UNKNOWN."""
    for one, mine, others, reason in REASONS:
        if case == one and ours in mine and theirs in others:
            return reason
    return UNKNOWN

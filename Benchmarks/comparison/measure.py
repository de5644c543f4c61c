# SPDX-License-Identifier: Apache-2.0
"""Runs the contenders of a cell in turn, round after round, and checks that they found the same."""

import json
import statistics
import subprocess
import sys

import inputs


class Disagreement(Exception):
    pass


def once(contender, cell, path, seconds):
    command = [*contender.command, cell.operation, "--json", "--min-seconds", str(seconds), *cell.arguments,
               *contender.arguments]
    if path is not None:
        command += ["--input", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise RuntimeError((done.stderr or done.stdout).strip().splitlines()[-1:] or [f"exit {done.returncode}"])
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def run_cell(cell, contenders, rounds, seconds, total):
    """({operation: {contender: median record}}, {contender: why it failed}); raises if two checksums differ."""
    taking = [contender for contender in contenders if cell.takes(contender)]
    samples, failures = {}, {}
    sources = {}
    for contender in taking:
        size = inputs.slow_total(cell.size, total) if contender.slow else total
        sources[contender.name] = cell.source(size) if cell.source else (None, None)
    for _ in range(rounds):
        for contender in taking:
            if contender.name in failures:
                continue
            path, about = sources[contender.name]
            try:
                records = once(contender, cell, path, seconds)
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                failures[contender.name] = str(error)
                print(f"  {contender.name}: {error}", file=sys.stderr)
                continue
            for record in records:
                check(cell, contender, record, about)
                samples.setdefault(record["operation"], {}).setdefault(contender.name, []).append(record)
    agree(cell, samples, sources)
    medians = {}
    for operation, by_name in samples.items():
        for name, records in by_name.items():
            record = dict(records[0])
            for field in ("ns_per_message", "gb_per_s"):
                record[field] = statistics.median(r[field] for r in records)
            medians.setdefault(operation, {})[name] = record
    return medians, failures


def check(cell, contender, record, about):
    """A decoder, and an inflater, must find what the generator wrote."""
    if about is None or record["operation"] not in ("decode", "decompress"):
        return
    if record["messages"] != about["messages"] or record["checksum"] != about["checksum"]:
        raise Disagreement(f"{contender.name}, {cell.section}, {cell.size} B: {record['messages']} messages with "
                           f"checksum {record['checksum']}; the input has {about['messages']} with {about['checksum']}")


def agree(cell, samples, sources):
    """Encoders must agree with each other, on each input."""
    for operation, by_name in samples.items():
        seen = {}
        for name, records in by_name.items():
            key = str(sources[name][0])
            # zlib alone writes no headers, and where a handshake is done 101 is all there is to compare.
            value = (records[0]["checksum"], records[0]["messages"]) if operation != "handshake" else None
            if any(r["checksum"] != records[0]["checksum"] for r in records):
                raise Disagreement(f"{name}, {cell.section}: two runs differ")
            if key in seen and seen[key][1] != value:
                raise Disagreement(f"{cell.section}, {cell.size} B: {name} and {seen[key][0]} differ")
            seen.setdefault(key, (name, value))

# SPDX-License-Identifier: Apache-2.0
"""Runs the contenders of a cell in turn, round after round, and checks that they found the same."""

import json
import statistics
import subprocess
import sys

import inputs


class Disagreement(Exception):
    pass


class Lacking(Exception):
    """A contender has no such operation."""


OPERATIONS = {"decode": {"decode"}, "encode": {"encode"}, "deflate": {"compress", "decompress"}, "handshake": {"handshake"}}
FIELDS = {"version", "operation", "messages", "payload_bytes", "output_bytes", "ns_per_message", "gb_per_s", "checksum"}


def once(contender, cell, path, seconds):
    command = [*contender.command, cell.operation, "--json", "--min-seconds", str(seconds), *cell.arguments,
               *contender.arguments]
    if path is not None:
        command += ["--input", str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    except OSError as error:
        raise RuntimeError(str(error)) from error
    if done.returncode == 3 and contender.given:
        raise Lacking
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise RuntimeError(said[-1] if said else f"exit {done.returncode}")
    try:
        records = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    except json.JSONDecodeError as error:
        raise RuntimeError(f"no JSON line: {error}") from error
    if not records:
        raise RuntimeError("it printed no JSON line")
    for record in records:
        if lacking := FIELDS - record.keys():
            raise RuntimeError(f"its JSON line lacks {', '.join(sorted(lacking))}")
        if record["operation"] not in OPERATIONS[cell.operation]:
            raise RuntimeError(f"asked for {cell.operation} it reports {record['operation']}")
    return records


def run_cell(cell, contenders, rounds, seconds, total):
    """({operation: {contender: median record}}, {contender: why it failed}); raises if two checksums differ."""
    taking = [contender for contender in contenders if cell.takes(contender)]
    given = {contender.name for contender in taking if contender.given}
    lacking = set()
    samples, failures = {}, {}
    sources = {}
    for contender in taking:
        size = inputs.slow_total(cell.size, total) if contender.slow else total
        sources[contender.name] = cell.source(size) if cell.source else (None, None)
    for _ in range(rounds):
        for contender in taking:
            if contender.name in failures or contender.name in lacking:
                continue
            path, about = sources[contender.name]
            try:
                records = once(contender, cell, path, seconds)
                for record in records:
                    check(cell, contender, record, about)
            except Lacking:
                lacking.add(contender.name)
                continue
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                failures[contender.name] = str(error)
                print(f"  {contender.name}: {error}", file=sys.stderr)
                continue
            except Disagreement as error:
                # What is wrong with the user's own program must not cost the user the run.
                if not contender.given:
                    raise
                failures[contender.name] = str(error)
                print(f"  {error}", file=sys.stderr)
                continue
            if contender.given:
                contender.version = records[0]["version"]
            for record in records:
                samples.setdefault(record["operation"], {}).setdefault(contender.name, []).append(record)
    for by_name in samples.values():
        for name in failures.keys() & given & by_name.keys():
            del by_name[name]
    for name, why in agree(cell, samples, sources, given).items():
        failures[name] = why
        print(f"  {why}", file=sys.stderr)
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


def agree(cell, samples, sources, given):
    """Encoders must agree with each other, on each input; takes out those of the user's that don't, and says why."""
    failures = {}
    for operation, by_name in samples.items():
        seen = {}
        for name, records in sorted(by_name.items(), key=lambda item: item[0] in given):
            key = str(sources[name][0])
            # zlib alone writes no headers, and where a handshake is done 101 is all there is to compare.
            value = (records[0]["checksum"], records[0]["messages"]) if operation != "handshake" else None
            why = None
            if any(r["checksum"] != records[0]["checksum"] for r in records):
                why = f"{name}, {cell.section}: two runs differ"
            elif key in seen and seen[key][1] != value:
                why = f"{cell.section}, {cell.size} B: {name} and {seen[key][0]} differ"
            if why and name not in given:
                raise Disagreement(why)
            if why:
                failures[name] = why
                del by_name[name]
            else:
                seen.setdefault(key, (name, value))
    return failures

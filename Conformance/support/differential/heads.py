# SPDX-License-Identifier: Apache-2.0
"""What is odd about a handshake, found from the case's fields by rule, without any implementation under test."""

import base64
import binascii
import re

TOKEN = r"[-!#$%&'*+.^_`|~0-9A-Za-z]+"
PARAMETER = rf"\s*;\s*({TOKEN})(?:\s*=\s*(?:({TOKEN})|\"((?:[^\"\\]|\\.)*)\"))?"

#: uri-host [":" port], RFC 9110 §7.2.
HOST = r"(?:\[[-0-9A-Za-z._~!$&'()*+,;=:]+\]|(?:[-0-9A-Za-z._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+)(?::[0-9]*)?"


def extensions(value):
    """[(name, [(parameter, value or None)])] of a header value (RFC 6455 §9.1), or None when it is malformed."""
    found, place = [], 0
    value = value.strip(" \t")
    while place < len(value):
        skip = re.compile(r"[\s,]*").match(value, place)
        place = skip.end()
        if place == len(value):
            break
        name = re.compile(TOKEN).match(value, place)
        if not name:
            return None
        place = name.end()
        parameters = []
        while True:
            item = re.compile(PARAMETER).match(value, place)
            if not item:
                break
            quoted = item[3]
            if quoted is not None:
                quoted = re.sub(r"\\(.)", r"\1", quoted)
                if not re.fullmatch(TOKEN, quoted):
                    return None
            parameters.append((item[1], item[2] if quoted is None else quoted))
            place = item.end()
        found.append((name[0], parameters))
        rest = re.compile(r"\s*(,|$)").match(value, place)
        if not rest:
            return None
        place = rest.end()
    return found


def parameters_fine(parameters, answer):
    """RFC 7692 §7.1: known, not repeated, with a value exactly where one belongs."""
    seen = set()
    for name, value in parameters:
        if name in seen:
            return False
        seen.add(name)
        if name in ("server_no_context_takeover", "client_no_context_takeover"):
            if value is not None:
                return False
        elif name in ("server_max_window_bits", "client_max_window_bits"):
            if value is None and not (name.startswith("client") and not answer):
                return False
            if value is not None and value not in [str(bits) for bits in range(8, 16)]:
                return False
        else:
            return False
    return True


def statuses(case):
    """The statuses that the faults of a request deserve; 400 for any without one of its own."""
    found, odd = set(), oddities(case)
    method, _, rest = case["start"].partition(" ")
    target, _, version = rest.partition(" ")
    values = {name.lower(): value.strip() for name, value in case["fields"]}
    if not target or not re.fullmatch(r"HTTP/\d\.\d", version):
        found.add(400)
    else:
        if method != "GET":
            found.add(405)
        if version != "HTTP/1.1":
            found.add(505)
    codings = ", ".join(value.strip() for name, value in case["fields"] if name.lower() == "transfer-encoding")
    if codings.lower() not in ("", "chunked"):
        found.add(501)
    # Two version fields are one list, which is no version (RFC 6455 §11.3.5).
    if values.get("sec-websocket-version", "13") != "13" or "repeated sec-websocket-version" in odd:
        found.add(426)
    missing = any(
        name not in values for name in ("connection", "upgrade", "sec-websocket-key", "sec-websocket-version"))
    unfit = (
        "upgrade" not in [token.strip().lower() for token in values.get("connection", "upgrade").split(",")]
        or values.get("upgrade", "websocket").lower() != "websocket")
    faults = {
        "no host", "bad host", "bad key", "malformed connection", "malformed extensions", "empty list", "folded line", "body",
    }
    bad_name = any(not re.fullmatch(TOKEN, name) for name in values)
    if missing or unfit or bad_name or odd & faults or any(name.startswith("repeated ") for name in odd):
        found.add(400)
    return found


def oddities(case):
    found = set()
    answer = case["kind"] == "response"
    values = {}
    for name, value in case["fields"]:
        values.setdefault(name.lower(), []).append(value)
        if not value.isascii():
            found.add("non-ASCII value")
    for name, several in values.items():
        if len(several) > 1:
            found.add("repeated " + name)
    if case.get("fold"):
        found.add("folded line")
    for name in ("interim", "cut_end"):
        if case.get(name):
            found.add(name)
    if case["trailing"]:
        found.add("frame in the same read")
    start = case["start"]
    if answer:
        if re.fullmatch(r"HTTP/1\.1 \d{3}", start):
            found.add("no space behind the status")
        if start.startswith("HTTP/1.0 101"):
            found.add("101 of HTTP/1.0")
        if not re.match(r"HTTP/1\.1 \d{3} ", start):
            found.add("status line")
        if " 101" not in start:
            found.add("not 101")
    else:
        if not start.endswith("HTTP/1.1"):
            found.add("version")
        if "host" not in values:
            found.add("no host")
        if not all(re.fullmatch(HOST, value.strip()) for value in values.get("host", [])):
            found.add("bad host")
        for key in values.get("sec-websocket-key", []):
            try:
                if len(base64.b64decode(key.strip(), validate=True)) != 16:
                    found.add("bad key")
            except binascii.Error:
                found.add("bad key")
        if "content-length" in values or "transfer-encoding" in values:
            found.add("body")
    connection = ", ".join(values.get("connection", []))
    tokens = [token.strip().lower() for token in connection.split(",")]
    if any(token and not re.fullmatch(TOKEN, token) for token in tokens):
        found.add("malformed connection")
    if "connection" in values and not any(token.strip() for token in values["connection"][-1].split(",")):
        found.add("empty connection")
    for value in values.get("connection", []) + values.get("upgrade", []) + values.get("sec-websocket-protocol", []):
        if not value.strip(" ,"):
            found.add("empty list")
    if any("," in value for value in values.get("upgrade", [])):
        found.add("upgrade list")
    for value in values.get("sec-websocket-protocol", []):
        if re.search(r",\s*,|^\s*,|,\s*$", value):
            found.add("empty list element")
        if "," in value and answer:
            found.add("several subprotocols")
    offers = []
    for value in values.get("sec-websocket-extensions", []):
        parsed = extensions(value)
        if not value.strip(" \t,"):
            found.add("empty extension list")
        elif not parsed:
            found.add("malformed extensions")
        else:
            offers += parsed
        if '"' in value:
            found.add("quoted parameter")
        if re.search(r"^\s*,|,\s*$|,\s*,", value):
            found.add("empty list element")
    ours = [parameters for name, parameters in offers if name == "permessage-deflate"]
    if any(not parameters_fine(parameters, answer) for parameters in ours):
        found.add("bad deflate parameters")
    if any(value == "8" for parameters in ours for _, value in parameters):
        found.add("window of 8 bits")
    if len(ours) > 1:
        found.add("several deflate offers")
    if answer:
        if any(name != "permessage-deflate" for name, _ in offers):
            found.add("extension not offered")
        if any("server_max_window_bits" not in dict(parameters) for parameters in ours):
            found.add("server window left out")
    return found

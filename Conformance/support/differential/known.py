# SPDX-License-Identifier: Apache-2.0
"""The entries. Importing this module fills the table."""

from . import heads
from .explained import entry, kind, walk

WAITING = ("open", "eof")


# Framing


@entry("length not minimal", "websockets", "RFC 6455 §5.2", "takes a length that is not in its shortest form")
def _(context):
    return context.violates("not minimal") and context.other == ("fail", 1002)


@entry("length over 63 bits", "websockets", "RFC 6455 §5.2", "waits for a payload whose length has the top bit set")
def _(context):
    return context.violates("length over 63 bits") and context.other == ("fail", 1002) and kind(context.deviant) in WAITING


@entry("violation seen late", "websockets", "RFC 6455 §7.1.7, no moment named",
       "looks at the header's other fields only when the payload is there, so it still waits")
def _(context):
    return (
        context.violation is not None and context.violation.index == context.index
        and not context.violation.frame.complete and context.other[:1] == ("fail",) and kind(context.deviant) in WAITING)


@entry("violation seen late", "wsproto", "RFC 6455 §7.1.7, no moment named",
       "looks at the mask bit only when the extended length is there, so it still waits")
def _(context):
    return (
        context.violation is not None and context.violation.index == context.index
        and not context.violation.frame.complete and context.other == ("fail", 1002) and kind(context.deviant) in WAITING)


def large(context):
    return context.other == ("fail", 1009) and any(frame.length > 64 << 20 for frame in walk(context.case))


@entry("frame over 64 MiB", "wsproto", "RFC 6455 §10.4", "has no limit, ours refuses the header")
def _(context):
    return large(context)


@entry("frame over 64 MiB", "websockets", "RFC 6455 §10.4", "was given no limit, ours refuses the header")
def _(context):
    return large(context)


@entry("violation seen late", "ours", "RFC 6455 §7.1.7, no moment named",
       "looks at a header when it is complete, so it still waits")
def _(context):
    return (
        context.violation is not None and context.violation.index == context.index
        and not context.violation.frame.complete and context.other == ("fail", 1002) and kind(context.deviant) in WAITING)


@entry("fault in the payload before the frame's place", "wsproto", "RFC 6455 §7.1.7, no order named",
       "inflates a frame first, and then sees that it is out of order")
def _(context):
    return (
        context.case["pmd"] is not None and context.violates("message inside a message")
        and context.deviant == ("fail", 1007) and context.other == ("fail", 1002))


def surrogate(context):
    """Python's codecs wait for a third byte after ED A0…BF, which nothing can make legal."""
    return context.other == ("fail", 1007) and context.facts.get("start of a surrogate") == context.index


@entry("start of a surrogate in text", "wsproto", "RFC 3629 §4", "takes ED A0 at the end of a part for the start of a character")
def _(context):
    return surrogate(context)


@entry("start of a surrogate in text", "websockets", "RFC 3629 §4", "takes ED A0 at the end of a part for the start of a character")
def _(context):
    return surrogate(context)


@entry("close code 1014", "wsproto", "RFC 6455 §7.4.2, IANA registry", "fails on 1014, registered after it was written")
def _(context):
    if context.deviant != ("fail", 1002) or context.facts.get("close code") != 1014:
        return False
    return context.other[:2] == ("close", 1014) or context.violates("close reason not UTF-8")


@entry("Close inside a message", "websockets", "RFC 6455 §5.4, §5.5", "fails on a Close between the fragments of a message")
def _(context):
    return (
        context.deviant == ("fail", 1002) and kind(context.other) == "close"
        and context.facts.get("close inside") == context.index)


# Compression


@entry("bad deflate data, code", "websockets", "RFC 7692 names no code",
       "fails with 1002, the other with 1007, since RFC 6455 §7.4.1 gives 1007 to data that doesn't match the message")
def _(context):
    return context.deflate_fault() and context.deviant == ("fail", 1002) and context.other == ("fail", 1007)


@entry("bad deflate data, moment", "websockets", "RFC 6455 §7.1.7, no moment named",
       "inflates whole frames only, so it still waits for the rest of one that has proved wrong, or no UTF-8")
def _(context):
    return (
        context.deflate_fault() and context.other == ("fail", 1007) and kind(context.deviant) in WAITING
        and "incomplete" in context.facts)


@entry("control frame inside a compressed message", "wsproto", "RFC 7692 §6, RFC 6455 §5.4",
       "forgets after a control frame that the message is compressed, and hands out its rest as it came")
def _(context):
    return context.facts.get("control inside compressed", context.index) < context.index


UNFINISHED = "RFC 7692 §7.2.2, no rule for the receiver"


def unfinished(context):
    """From the first message whose compressed data ends inside a block, each makes of the rest what its zlib calls give."""
    return context.case["pmd"] is not None and context.facts.get("deflate unfinished", context.index + 1) <= context.index


@entry("message ends inside a deflate block", "websockets", UNFINISHED, "delivers what has come out so far, and goes on")
def _(context):
    return unfinished(context)


@entry("message ends inside a deflate block", "wsproto", UNFINISHED, "delivers what a flush of zlib gives, and goes on")
def _(context):
    return unfinished(context)


BROKEN = "RFC 7692 §7.2.2"


def broken(context):
    """The end of the message's data takes the appended 00 00 FF FF for something else than an empty block."""
    return (
        context.case["pmd"] is not None and context.facts.get("deflate broken") == context.index
        and context.other == ("fail", 1007) and kind(context.deviant) in ("text", "binary"))


@entry("message cut so that its end is no block", "websockets", BROKEN, "delivers what has come out, fails at the next message")
def _(context):
    return broken(context)


@entry("message cut so that its end is no block", "wsproto", BROKEN, "delivers what has come out, fails at the next message")
def _(context):
    return broken(context)


@entry("message compressed to nothing", "ours", "RFC 7692 §7.2.3.6 wants one octet, zlib's repeated flush gives none",
       "takes it for an empty message; others feed 00 00 FF FF to an inflater at a block's start, which spoils the next one")
def _(context):
    return (
        context.case["pmd"] is not None and context.facts.get("compressed to nothing", context.index + 1) <= context.index)


FINAL = "RFC 7692 §7.2.3.4"


def after_final(context):
    return context.case["pmd"] is not None and context.facts.get("deflate ended", context.index + 1) <= context.index


@entry("data after a final deflate block", "websockets", FINAL, "delivers nothing of what is compressed after a block with BFINAL")
def _(context):
    return after_final(context)


@entry("data after a final deflate block", "wsproto", FINAL, "fails, or delivers nothing, after a block with BFINAL")
def _(context):
    return after_final(context)


@entry("internal error on bad deflate data", "websockets", "RFC 6455 §7.4.1", "fails with 1011 where zlib reports an error late")
def _(context):
    return context.deflate_fault() and context.deviant == ("fail", 1011) and context.other == ("fail", 1007)


@entry("internal error on a large frame", "websockets", "-",
       "fails with 1011 when the last symbol of 2044 bytes or more comes out only with the appended block, without max_size; "
       "before it has looked at the other reserved bits")
def _(context):
    right = kind(context.other) in ("text", "binary") or context.violates("rsv") and context.other == ("fail", 1002)
    return context.case["pmd"] is not None and context.deviant == ("fail", 1011) and right


@entry("Close wrong in code and reason", "websockets", "RFC 6455 §7.4, no order named", "looks at the reason's UTF-8 first")
def _(context):
    return context.violates("close code") and context.deviant == ("fail", 1007) and context.other == ("fail", 1002)


# Handshakes: (name, deviant, section, text, oddity, what the deviant does, what the other does)

REQUEST = ("request",)
RESPONSE = ("response",)
BOTH = ("request", "response")
YES, NO, CRASH, WAIT, END = "accepted", "rejected", "crash", "waiting", None

HEADS = [
    (REQUEST, "no Host", "websockets", "RFC 9112 §3.2", "leaves the check to its caller", "no host", (YES,), (NO,)),
    (REQUEST, "Host twice", "websockets", "RFC 9112 §3.2", "leaves the check to its caller", "repeated host", (YES,), (NO,)),
    (REQUEST, "key", "wsproto", "RFC 6455 §4.2.1 (5)", "takes a key that is not 16 bytes in base64", "bad key", (YES,), (NO,)),
    (REQUEST, "key twice", "wsproto", "RFC 6455 §11.3.1", "takes the last of several", "repeated sec-websocket-key", (YES,), (NO,)),
    (REQUEST, "version twice", "wsproto", "RFC 6455 §11.3.5", "takes the last of several",
     "repeated sec-websocket-version", (YES,), (NO,)),
    (REQUEST, "version of HTTP", "wsproto", "RFC 6455 §4.2.1 (1)", "takes a request of HTTP/1.0 or of another major version", "version", (YES,), (NO,)),
    (REQUEST, "Origin twice", "wsproto", "RFC 6454 §7.3", "doesn't look at Origin", "repeated origin", (YES,), (NO,)),
    (BOTH, "bad head refused early", "websockets", "RFC 9112 §2.2, no moment named",
     "refuses a bad line at once, the other waits for the head's end", "cut_end", (NO,), (WAIT,)),
    (BOTH, "folded line", "websockets", "RFC 9112 §5.2, either allowed", "refuses it, h11 joins it", "folded line", (NO,), (YES,)),
    (BOTH, "Upgrade twice", "wsproto", "RFC 9110 §5.3", "takes the last of several fields", "repeated upgrade", (YES, NO), (NO, YES)),
    (BOTH, "Connection twice", "wsproto", "RFC 9110 §5.3", "looks at the last of several fields only",
     "repeated connection", (NO, YES), (YES, NO)),
    (BOTH, "Connection not a list of tokens", "wsproto", "RFC 9110 §7.6.1", "passes over what is not a token",
     "malformed connection", (YES,), (NO,)),
    (BOTH, "Connection not a list of tokens", "websockets", "RFC 6455 §4.1, §4.2.1 (4)",
     "refuses it for an element that is no token, though Upgrade is in it", "malformed connection", (NO,), (YES,)),
    (BOTH, "empty list value", "websockets", "RFC 9110 §5.6.1.2", "refuses a list field without an element",
     "empty list", (NO,), (YES,)),
    (BOTH, "malformed extension field", "wsproto", "RFC 6455 §9.1", "splits at commas and semicolons, so that it takes it or crashes",
     "malformed extensions", (YES, CRASH), (NO, YES)),
    (BOTH, "quoted parameter", "wsproto", "RFC 6455 §9.1", "doesn't know quoted strings", "quoted parameter", (YES, CRASH), (YES, NO)),
    (BOTH, "parameters of permessage-deflate", "wsproto", "RFC 7692 §7.1",
     "passes over unknown, repeated or wrong ones, or crashes", "bad deflate parameters", (YES, CRASH), (YES, NO)),
    (REQUEST, "window of 8 bits", "wsproto", "RFC 7692 §7.1.2", "declines an offer with 8, in either direction",
     "window of 8 bits", (YES,), (YES,)),
    (RESPONSE, "window of 8 bits", "wsproto", "RFC 7692 §7.1.2", "crashes on a ValueError", "window of 8 bits", (CRASH,), (YES, NO)),
    (REQUEST, "window of 8 bits", "websockets", "RFC 7692 §7.1.2.1", "declines an offer with 8; ours takes it and sends uncompressed",
     "window of 8 bits", (YES,), (YES,)),
    (RESPONSE, "window of 8 bits", "websockets", "RFC 7692 §7.1.2.2",
     "refuses an answer with 8; ours opens and sends uncompressed", "window of 8 bits", (NO,), (YES,)),
    (BOTH, "extension list without a member", "ours", "RFC 9110 §5.6.1.2, lenient",
     "takes a field of nothing but commas and white space for no extension, as one list with its other fields",
     "empty extension list", (YES,), (NO,)),
    (REQUEST, "several offers", "wsproto", "RFC 7692 §5.1", "mixes the parameters of all offers into the last",
     "several deflate offers", (YES,), (YES,)),
    (RESPONSE, "extension accepted twice", "wsproto", "RFC 7692 §5.1", "takes the second as well",
     "several deflate offers", (YES,), (NO,)),
    (RESPONSE, "server window left out", "websockets", "RFC 7692 §7.1.2.1",
     "refuses an answer without the server_max_window_bits that was offered, wsproto doesn't",
     "server window left out", (NO,), (YES,)),
    (RESPONSE, "Accept twice", "wsproto", "RFC 6455 §11.3.3", "takes the last of several",
     "repeated sec-websocket-accept", (YES,), (NO,)),
    (RESPONSE, "subprotocol twice", "wsproto", "RFC 6455 §11.3.4", "takes the last of several",
     "repeated sec-websocket-protocol", (YES,), (NO,)),
    (RESPONSE, "status line without a reason's space", "wsproto", "RFC 9112 §4, lenient", "takes it (h11)",
     "no space behind the status", (YES,), (NO,)),
    (RESPONSE, "status line refused early", "websockets", "RFC 9112 §4", "refuses the line at once, the other waits for the head's end",
     "status line", (NO,), (WAIT,)),
    (BOTH, "non-ASCII value", "wsproto", "RFC 9110 §5.5", "crashes on a byte over 0x7F in a field that it decodes",
     "non-ASCII value", (CRASH,), (YES, NO)),
    (REQUEST, "request with a body", "websockets", "RFC 9112 §6", "refuses it", "body", (NO,), (YES,)),
    (REQUEST, "frame in the same read", "wsproto", "RFC 6455 §4.2.2", "drops what came in the same read as the request",
     "frame in the same read", (END, "fail"), ("text",)),
    (BOTH, "folded value", "wsproto", "RFC 9112 §5.2", "crashes on a Host or a parameter that a folded line has spoilt",
     "folded line", (CRASH,), (YES, NO)),
    (RESPONSE, "informational response", "wsproto", "RFC 9110 §15.2", "takes 100 or 103 for a refusal, ours goes on to the 101",
     "interim", (NO,), (YES, NO, WAIT)),
    (RESPONSE, "informational response", "websockets", "RFC 9110 §15.2", "takes 100 or 103 for a refusal, ours goes on to the 101",
     "interim", (NO,), (YES,)),
    (BOTH, "folded line", "ours", "RFC 9112 §5.2, either allowed", "refuses it, h11 joins it", "folded line", (NO,), (YES, NO, WAIT)),
    (BOTH, "bad head refused early", "ours", "RFC 9112 §2.2, no moment named",
     "refuses a bad line at once, the other waits for the head's end", "cut_end", (NO,), (WAIT,)),
    (REQUEST, "request with a body", "ours", "RFC 9110 §9.3.1", "refuses it", "body", (NO,), (YES,)),
    (BOTH, "list in Upgrade", "wsproto", "RFC 9110 §7.8", "wants websocket alone, though the field is a list",
     "upgrade list", (NO,), (YES,)),
    (BOTH, "list in Upgrade", "websockets", "RFC 9110 §7.8", "wants websocket alone, though the field is a list",
     "upgrade list", (NO,), (YES,)),
    (BOTH, "Upgrade twice", "websockets", "RFC 9110 §5.3", "wants websocket alone, though the fields are one list",
     "repeated upgrade", (NO,), (YES,)),
    (REQUEST, "Origin twice", "ours", "RFC 6454 §7.3", "leaves Origin to its caller", "repeated origin", (YES,), (NO,)),
    (RESPONSE, "status line without a reason's space", "ours", "RFC 9112 §4, lenient", "takes it, as h11 does",
     "no space behind the status", (YES,), (NO,)),
    (RESPONSE, "101 of HTTP/1.0", "wsproto", "RFC 6455 §4.1, RFC 9110 §15.2", "takes it", "101 of HTTP/1.0", (YES,), (NO,)),
    (REQUEST, "Host not valid", "wsproto", "RFC 9110 §7.2", "doesn't look at the value", "bad host", (YES,), (NO,)),
    (REQUEST, "Host not valid", "websockets", "RFC 9110 §7.2", "leaves the check to its caller", "bad host", (YES,), (NO,)),
    (RESPONSE, "refusal with a body", "websockets", "-", "reports a refusal when its body is there", "not 101", (WAIT,), (NO,)),
]


def _add(kinds, name, deviant, section, text, oddity, does, others):
    @entry(name, deviant, section, text, kinds)
    def _(context):
        return (
            oddity in context.oddities and kind(context.deviant) in does and kind(context.other) in others
            and "flip" not in context.case)


for _row in HEADS:
    _add(*_row)


def statuses(context):
    """(wsproto's status, the other's, those that the request's faults deserve); None where one didn't refuse."""
    if "flip" in context.case or not kind(context.deviant) == kind(context.other) == "rejected":
        return None
    return context.deviant[1], context.other[1], heads.statuses(context.case)


@entry("status of a refusal", "wsproto", "RFC 9110 §15.5.6, §15.6.2, §15.6.6",
       "says 400 to another method, transfer coding or version of HTTP, the other 405, 501 or 505", REQUEST)
def _(context):
    found = statuses(context)
    return found is not None and found[0] == 400 and found[1] in (405, 501, 505) and found[1] in found[2]


@entry("empty version", "wsproto", "RFC 6455 §4.2.2 (4)", "takes an empty version for none, and says 400 for 426", REQUEST)
def _(context):
    found = statuses(context)
    return found is not None and found[:2] == (400, 426) and context.fields("Sec-WebSocket-Version")[-1:] == [""]


@entry("several faults in a request", "wsproto", "RFC 9110 §15.5, no order named", "names another one first", REQUEST)
def _(context):
    found = statuses(context)
    return found is not None and found[0] != found[1] and {found[0], found[1]} <= found[2]


@entry("bytes behind a refusal", "wsproto", "RFC 9112 §9.6",
       "raises for what follows a refusal with Connection: close, and loses the refusal of the same read", RESPONSE)
def _(context):
    return (
        "not 101" in context.oddities and "flip" not in context.case and bool(context.case["trailing"])
        and "close" in context.fields("Connection") and context.deviant == ("rejected", None)
        and kind(context.other) == "rejected")


@entry("violation seen late", "websockets", "RFC 6455 §7.1.7, no moment named",
       "waits for the payload of a frame behind the handshake whose header is wrong", RESPONSE)
def _(context):
    # The body of no frames, `Hello`, is a fragmented Close with RSV1 and 101 bytes of payload.
    return (
        "body" in context.case and "not 101" not in context.oddities and "flip" not in context.case
        and context.deviant is None and context.other == ("fail", 1002))


@entry("crash on flipped bytes", "wsproto", "RFC 6455 §4.1, §4.2", "an exception other than RemoteProtocolError", BOTH)
def _(context):
    return "flip" in context.case and kind(context.deviant) == "crash" and kind(context.other) != "crash"


BEYOND = "RFC 7692 §7.1.2, no rule for the receiver"


def beyond(context):
    return (
        context.case["pmd"] is not None
        and context.facts.get("deflate beyond the window", context.index + 1) <= context.index
        and "fail" in (kind(context.deviant), kind(context.other)))


@entry("distance beyond the negotiated window", "websockets", BEYOND, "sees it or not, by how the bytes were split")
def _(context):
    return beyond(context)


@entry("distance beyond the negotiated window", "wsproto", BEYOND, "sees it or not, by how the bytes were split")
def _(context):
    return beyond(context)

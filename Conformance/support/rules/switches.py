# SPDX-License-Identifier: Apache-2.0
"""The twelve rules, and what switches each of them off: a few lines in one file, for all doors."""

import collections

#: `file` is one of Sources/WSProto; `changes` are pairs of text that stands there once, and what takes its place.
Switch = collections.namedtuple("Switch", "rule section file changes doors")

FRAME_DOORS = ("owned", "borrowed", "reading", "FrameProtocol", "decoders", "C")
#: What a Close frame holds is beyond a FrameDecoder and a MessageDecoder.
CLOSE_DOORS = ("owned", "borrowed", "reading", "FrameProtocol", "C")
HANDSHAKE_DOORS = ("owned", "borrowed", "reading", "H11Handshake", "parsed request", "values", "C")

SWITCHES = [
    Switch("order of fragments", "RFC 6455 §5.4", "Messages/MessageSequence.swift", [
        ('case (nil, .continuation): throw ParseFailed("a continuation frame without a message to continue")',
         "case (nil, .continuation):\n      opcode = .binary\n      return true"),
        ('throw ParseFailed("a new message before the last one was finished")', "return false"),
    ], FRAME_DOORS),
    Switch("UTF-8 across parts", "RFC 6455 §5.6, §8.1", "Messages/TextParts.swift", [
        ("if failsAt != nil || (isLast && !validator.isComplete) { throw Self.notUTF8 }", "_ = failsAt"),
        ("guard let start = bytes.baseAddress else { return (0, true) }",
         "guard bytes.isEmpty, let start = bytes.baseAddress else { return (bytes.count, true) }"),
    ], FRAME_DOORS),
    Switch("reserved bits", "RFC 6455 §5.2", "Terms/FrameTerms.swift", [
        ("if !isSubset(of: allowed) {", "if false {"),
    ], FRAME_DOORS),
    Switch("control length", "RFC 6455 §5.5", "Frames/FrameReader.swift", [
        ('if opcode.isControl { throw ParseFailed("a control frame\'s payload is longer than 125 bytes") }', ""),
    ], FRAME_DOORS),
    Switch("minimal length", "RFC 6455 §5.2", "Frames/FrameReader.swift", [
        ("if length <= FrameSizes.maxShortPayload {", "if false {"),
        ("if length <= FrameSizes.maxMediumPayload {", "if false {"),
    ], FRAME_DOORS),
    Switch("message budget", "RFC 6455 §10.4", "Frames/MessageBudget.swift", [
        ("init(limits: Limits) { self.limits = limits }",
         "init(limits: Limits) {\n    var none = Limits(maxMessageBytes: .max)\n    none.maxMessageFragments = .max\n"
         "    self.limits = none\n  }"),
    ], FRAME_DOORS),
    Switch("close codes", "RFC 6455 §7.4", "Terms/CloseReason.swift", [
        ("default: false", "default: true"),
    ], CLOSE_DOORS),
    Switch("deflate tail", "RFC 7692 §7.2.2", "Deflate/MessageInflater.swift", [
        ("guard isComplete, step.used == 4, step.written == 0 else { try fail(.invalid) }", "_ = isComplete"),
    ], FRAME_DOORS),
    Switch("masking", "RFC 6455 §5.1", "Frames/FrameReader.swift", [
        ("if masked != expectsMask {", "if false {"),
    ], FRAME_DOORS),
    Switch("key check", "RFC 6455 §4.2.1", "Negotiation/AcceptToken.swift", [
        ("func isWebSocketKey(_ key: Span<UInt8>) -> Bool {",
         "func isWebSocketKey(_ key: Span<UInt8>) -> Bool {\n  if key.count >= 0 { return true }"),
    ], HANDSHAKE_DOORS),
    Switch("extension grammar", "RFC 6455 §9.1", "Extensions/ExtensionHeader.swift", [
        ("return try parser.list()", "return (try? parser.list()) ?? []"),
    ], HANDSHAKE_DOORS),
    Switch("Host", "RFC 9110 §7.2", "HTTP1/HTTP1Host.swift", [
        ("static func isLegal(_ value: Span<UInt8>) -> Bool {",
         "static func isLegal(_ value: Span<UInt8>) -> Bool {\n    if value.count >= 0 { return true }"),
    ], HANDSHAKE_DOORS),
]

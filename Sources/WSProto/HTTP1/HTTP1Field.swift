// SPDX-License-Identifier: Apache-2.0

/// The fields that a WebSocket handshake uses, recognised while the head is parsed.
enum HTTP1FieldID: UInt8, Sendable, CaseIterable {
  case other
  case host
  case connection
  case upgrade
  case origin
  case contentLength
  case transferEncoding
  case secWebSocketKey
  case secWebSocketAccept
  case secWebSocketVersion
  case secWebSocketProtocol
  case secWebSocketExtensions

  /// The name in lower case, the form in which names are compared.
  var name: StaticString {
    switch self {
    case .other: ""
    case .host: "host"
    case .connection: "connection"
    case .upgrade: "upgrade"
    case .origin: "origin"
    case .contentLength: "content-length"
    case .transferEncoding: "transfer-encoding"
    case .secWebSocketKey: "sec-websocket-key"
    case .secWebSocketAccept: "sec-websocket-accept"
    case .secWebSocketVersion: "sec-websocket-version"
    case .secWebSocketProtocol: "sec-websocket-protocol"
    case .secWebSocketExtensions: "sec-websocket-extensions"
    }
  }

  /// The field with this name, which must be in lower case.
  init(canonicalName: String) {
    self = Self.byName[canonicalName] ?? .other
  }

  private static let byName = Dictionary(
    uniqueKeysWithValues: allCases.filter { $0 != .other }.map { ($0.name.description, $0) }
  )

  /// The field with the name `bytes[range]`, ignoring case; the range must lie within `bytes`.
  ///
  /// The length leaves one candidate (two for 17 bytes), so one comparison decides.
  @inline(__always)
  static func recognize(_ bytes: Span<UInt8>, _ range: Range<Int>) -> HTTP1FieldID {
    let candidate: HTTP1FieldID
    switch range.count {
    case 4: candidate = .host
    case 6: candidate = .origin
    case 7: candidate = .upgrade
    case 10: candidate = .connection
    case 14: candidate = .contentLength
    case 17: candidate = bytes[range.lowerBound] | 0x20 == 0x74 ? .transferEncoding : .secWebSocketKey
    case 20: candidate = .secWebSocketAccept
    case 21: candidate = .secWebSocketVersion
    case 22: candidate = .secWebSocketProtocol
    case 24: candidate = .secWebSocketExtensions
    default: return .other
    }
    return equalsIgnoringCase(bytes, range, candidate.name) ? candidate : .other
  }
}

/// Whether `bytes[range]` equals `lowercase`, ignoring the case of ASCII letters; `range` must lie within
/// `bytes`.
///
/// Only for names and values that have been checked. It ignores bit 0x20, in which the cases of a letter
/// differ. Of the other bytes, only a control byte could be mistaken for a digit or a hyphen.
func equalsIgnoringCase(_ bytes: Span<UInt8>, _ range: Range<Int>, _ lowercase: StaticString) -> Bool {
  let count = lowercase.utf8CodeUnitCount
  guard range.count == count else { return false }
  let expected = UnsafeRawPointer(lowercase.utf8Start)
  let raw = bytes.bytes
  var index = 0
  // Both loops read at most `count` bytes from either side, and both sides have that many.
  while count &- index >= 8 {
    let word = raw.unsafeLoadUnaligned(fromByteOffset: range.lowerBound &+ index, as: UInt64.self)
    guard word | 0x2020_2020_2020_2020 == expected.loadUnaligned(fromByteOffset: index, as: UInt64.self)
    else {
      return false
    }
    index &+= 8
  }
  while index < count {
    guard bytes[range.lowerBound &+ index] | 0x20 == expected.load(fromByteOffset: index, as: UInt8.self)
    else {
      return false
    }
    index &+= 1
  }
  return true
}

/// A set of recognised fields.
struct HTTP1FieldSet: OptionSet, Sendable, Hashable {
  var rawValue: UInt16

  init(rawValue: UInt16) { self.rawValue = rawValue }

  /// A set with one field.
  init(_ id: HTTP1FieldID) { rawValue = 1 << UInt16(id.rawValue) }

  /// A set with several fields.
  init(_ ids: [HTTP1FieldID]) { rawValue = ids.reduce(0) { $0 | 1 << UInt16($1.rawValue) } }

  /// Whether the field is in the set.
  func contains(_ id: HTTP1FieldID) -> Bool { rawValue & 1 << UInt16(id.rawValue) != 0 }
}

/// The position of one field line in the bytes of its head.
struct HTTP1Field: Sendable, Hashable {
  let id: HTTP1FieldID
  private let nameStart: UInt32
  private let nameEnd: UInt32
  private let valueStart: UInt32
  private let valueEnd: UInt32

  /// The ranges must lie within a head, whose size is below 2^30.
  init(id: HTTP1FieldID, name: Range<Int>, value: Range<Int>) {
    self.id = id
    nameStart = UInt32(truncatingIfNeeded: name.lowerBound)
    nameEnd = UInt32(truncatingIfNeeded: name.upperBound)
    valueStart = UInt32(truncatingIfNeeded: value.lowerBound)
    valueEnd = UInt32(truncatingIfNeeded: value.upperBound)
  }

  /// The range of the name.
  var name: Range<Int> { Int(nameStart)..<Int(nameEnd) }

  /// The range of the value, without surrounding whitespace.
  var value: Range<Int> { Int(valueStart)..<Int(valueEnd) }
}

// SPDX-License-Identifier: Apache-2.0

/// A pattern for payloads, matched byte by byte.
package enum PayloadPattern: Sendable, Equatable {
  /// A part of a glob.
  package enum Part: Sendable, Equatable {
    case byte(UInt8)
    /// `?`
    case anyByte
    /// `*`
    case anyBytes
  }

  /// Matches payloads that contain these bytes.
  case containing([UInt8])
  /// Matches payloads that match this glob from beginning to end.
  case glob([Part])

  /// A glob of `*` and `?`, in which nothing else has a meaning of its own.
  package init(glob text: String) {
    self = .glob(
      text.utf8.map { byte in
        switch byte {
        case UInt8(ascii: "*"): .anyBytes
        case UInt8(ascii: "?"): .anyByte
        default: .byte(byte)
        }
      }
    )
  }

  /// Whether a payload matches.
  package func matches(_ payload: [UInt8]) -> Bool {
    switch self {
    case .containing(let wanted): payload.span.firstIndex(of: wanted.span, from: 0) != nil
    case .glob(let parts): Self.matches(payload.span, parts.span)
    }
  }

  /// The time is at most proportional to the product of the two lengths, since only the last `*` is tried again.
  private static func matches(_ payload: Span<UInt8>, _ parts: Span<Part>) -> Bool {
    var (byte, part) = (0, 0)
    /// Where to continue if the parts after the last `*` don't match here.
    var retry: (byte: Int, part: Int)?
    while byte < payload.count {
      let isFitting =
        if part < parts.count {
          switch parts[part] {
          case .byte(let wanted): payload[byte] == wanted
          case .anyByte: true
          case .anyBytes: false
          }
        } else {
          false
        }
      if part < parts.count, parts[part] == .anyBytes {
        part += 1
        retry = (byte, part)
      } else if isFitting {
        byte += 1
        part += 1
      } else if let last = retry {
        retry = (last.byte + 1, last.part)
        (byte, part) = (last.byte + 1, last.part)
      } else {
        return false
      }
    }
    while part < parts.count, parts[part] == .anyBytes { part += 1 }
    return part == parts.count
  }
}

extension Span<UInt8> {
  /// The first index at or after `start` at which `wanted` begins.
  func firstIndex(of wanted: Span<UInt8>, from start: Int) -> Int? {
    guard !wanted.isEmpty, wanted.count <= count, start >= 0 else { return nil }
    let first = wanted[0]
    var place = start
    while place <= count - wanted.count {
      if self[place] == first {
        var length = 1
        while length < wanted.count, self[place + length] == wanted[length] { length += 1 }
        if length == wanted.count { return place }
      }
      place += 1
    }
    return nil
  }
}

extension [UInt8] {
  /// Replaces each occurrence of `old` by `new`, from left to right. Returns `nil` if there is none.
  func replacing(each old: [UInt8], with new: [UInt8]) -> [UInt8]? {
    var result: [UInt8] = []
    var rest = 0
    while let place = span.firstIndex(of: old.span, from: rest) {
      result += self[rest..<place]
      result += new
      rest = place + old.count
    }
    guard rest > 0 else { return nil }
    return result + self[rest...]
  }
}

// SPDX-License-Identifier: Apache-2.0

#if Tool
/// Cuts standard input into messages.
package struct InputSplitter {
  package enum Mode: Sendable {
    /// A message a line.
    case lines
    /// Messages that end in a byte 0.
    case null
    /// All of it is one message.
    case whole
    /// What each read brings.
    case chunks
  }

  private let mode: Mode
  private var rest: [UInt8] = []
  private var hasEnded = false

  package init(_ mode: Mode) { self.mode = mode }

  /// How many bytes of a message have come that is not complete.
  package var unfinished: Int { rest.count }

  /// The messages that `read` completes.
  package mutating func add(_ read: ArraySlice<UInt8>) -> [[UInt8]] {
    guard let separator else {
      if mode == .chunks { return read.isEmpty ? [] : [Array(read)] }
      rest += read
      return []
    }
    var messages: [[UInt8]] = []
    var read = read
    while let end = read.firstIndex(of: separator) {
      messages.append(rest + read[..<end])
      rest = []
      read = read[(end + 1)...]
    }
    rest += read
    return messages
  }

  /// The end of the input: the last message, if one is under way. A whole input is a message even if it is empty.
  package mutating func end() -> [UInt8]? {
    guard !hasEnded else { return nil }
    hasEnded = true
    defer { rest = [] }
    return rest.isEmpty && mode != .whole ? nil : rest
  }

  private var separator: UInt8? {
    switch mode {
    case .lines: UInt8(ascii: "\n")
    case .null: 0
    case .whole, .chunks: nil
    }
  }
}
#endif

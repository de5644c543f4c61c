// SPDX-License-Identifier: Apache-2.0

import WSProto

/// The compressed messages of one direction as its receiver inflates them (RFC 7692 §7.2.2): all of them are read, so that
/// each can be shown to the rules, and sent uncompressed where it refers to one that the receiver lacks.
final class SentHistory {
  /// Whether messages refer to those before them.
  let isKept: Bool
  private let windowBits: Int
  private var inflater: Inflater?
  /// The message under way, or with a history any later one, cannot be inflated.
  private(set) var hasFailed = false

  init(_ deflate: PerMessageDeflate, sender: Direction) {
    let isClient = sender == .fromClient
    isKept = !(isClient ? deflate.clientNoContextTakeover : deflate.serverNoContextTakeover)
    windowBits = isClient ? deflate.clientMaxWindowBits : deflate.serverMaxWindowBits
  }

  /// The most bytes given at a time.
  static let pieceBytes = 64 << 10

  /// Inflates a part of a message, and gives it piece by piece. After a failure, nothing more is given.
  func inflate(_ bytes: [UInt8], _ each: ([UInt8]) -> Void) {
    guard !hasFailed else { return }
    bytes.span.bytes.withUnsafeBytes { input in
      var rest = input
      do throws(InflateError) {
        let inflater = try opened()
        repeat {
          var output = AssemblyBuffer()
          try inflater.inflate(&rest, into: &output, atMost: Self.pieceBytes)
          let piece = output.take()
          if piece.count > 0 { each(piece.withUnsafeBytes { Array($0) }) }
        } while !rest.isEmpty || inflater.mayHaveMore
      } catch {
        hasFailed = true
      }
    }
  }

  /// The message is over.
  func endMessage() {
    if !hasFailed {
      do throws(InflateError) { try inflater?.finishMessage() } catch { hasFailed = true }
    }
    if !isKept {
      inflater?.reset()
      hasFailed = false
    }
  }

  private func opened() throws(InflateError) -> Inflater {
    if let inflater { return inflater }
    let made = try Inflater(windowBits: windowBits)
    inflater = made
    return made
  }
}

// SPDX-License-Identifier: Apache-2.0

import WSProto

/// Inflates the compressed messages of one direction (RFC 7692 §7.2.2). It reads all of them, so that rules can see each
/// one, and each can be sent uncompressed if it refers to a message that the receiver didn't get.
final class SentHistory {
  /// Whether messages can refer to earlier ones (context takeover).
  let isKept: Bool
  private let windowBits: Int
  private var inflater: Inflater?
  /// Whether the message under way cannot be inflated. With context takeover, later ones cannot be either.
  private(set) var hasFailed = false

  init(_ deflate: PerMessageDeflate, sender: Direction) {
    let isClient = sender == .fromClient
    isKept = !(isClient ? deflate.clientNoContextTakeover : deflate.serverNoContextTakeover)
    windowBits = isClient ? deflate.clientMaxWindowBits : deflate.serverMaxWindowBits
  }

  /// The largest piece of output.
  static let pieceBytes = 64 << 10

  /// Inflates a part of a message, and calls `each` with each piece of output. Does nothing after a failure.
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

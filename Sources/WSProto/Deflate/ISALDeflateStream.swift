// SPDX-License-Identifier: Apache-2.0

#if ISAL
  import CISAL

  /// What ``DeflateStream`` is, on Intel ISA-L: the same calls, several times as fast.
  ///
  /// Memory: about 168 KB, 218 KB at levels 7 and 8, 234 KB at 9, allocated by the initialiser: create a stream when the
  /// first message to be compressed turns up, not with the connection.
  package final class ISALDeflateStream {
    private enum Backend {
      case isal(OpaquePointer)
      /// For level 0: ISA-L has no level that only stores.
      case zlib(DeflateStream)
    }

    private let backend: Backend
    /// Compressed, and due before anything else: what a copy in the middle of a message has flushed.
    private var due: [UInt8]
    /// Bytes of the current message that went in so far, saturating.
    private var messageLength: Int
    private var isFresh: Bool
    private var hasFailed: Bool
    /// After so many bytes the history is dropped: ISA-L counts its input in 32 bits.
    private let restartsAfter: UInt32

    private static let sliceSize = 1 << 20
    /// Output room when the bound was too small.
    private static let extraRoom = 16 << 10
    /// The most input, in bytes, that earlier calls of a message may hold back: ISA-L's buffer, and a block of symbols.
    private static let heldInputBound = 160 << 10

    /// Allocates a compressor.
    ///
    /// - Parameters:
    ///   - windowBits: 9...15.
    ///   - level: 0...9, or -1 for the default, as in zlib. 0 stores, with zlib; ISA-L's level is 1 for -1 and up to 6,
    ///     2 for 7 and 8, 3 for 9. Its level 0 is not used: 125 bytes of JSON come out as 154.
    ///   - memoryLevel: 1...9; of no account to ISA-L.
    ///   - restartsAfter: input in bytes, after which the history is dropped.
    package init(
      windowBits: Int = 15,
      level: Int = -1,
      memoryLevel: Int = 8,
      restartsAfter: UInt32 = 1 << 30
    ) throws(DeflateError) {
      guard 9...15 ~= windowBits, -1...9 ~= level, 1...9 ~= memoryLevel else { throw .unsupportedParameter }
      if level == 0 {
        backend = .zlib(try DeflateStream(windowBits: windowBits, level: level, memoryLevel: memoryLevel))
      } else {
        guard let deflater = cisal_deflater_open(Self.isalLevel(level), UInt16(windowBits)) else {
          throw .outOfMemory
        }
        backend = .isal(deflater)
      }
      due = []
      messageLength = 0
      isFresh = true
      hasFailed = false
      self.restartsAfter = restartsAfter
    }

    private static func isalLevel(_ level: Int) -> UInt32 {
      switch level {
      case 9: 3
      case 7, 8: 2
      default: 1
      }
    }

    private init(backend: Backend, copying other: ISALDeflateStream) {
      self.backend = backend
      due = other.due
      messageLength = other.messageLength
      isFresh = other.isFresh
      hasFailed = other.hasFailed
      restartsAfter = other.restartsAfter
    }

    deinit {
      if case .isal(let deflater) = backend { cisal_deflater_close(deflater) }
    }

    /// An independent stream with the same history, for owners with value semantics.
    package func copy() throws(DeflateError) -> ISALDeflateStream {
      switch backend {
      case .zlib(let stream):
        return ISALDeflateStream(backend: .zlib(try stream.copy()), copying: self)
      case .isal(let deflater):
        guard !hasFailed else { throw .corruptState }
        if !cisal_deflate_is_flushed(deflater) {
          // ISA-L's state has pointers into itself. Only a history can be carried over, so what is under way goes out.
          guard run(deflater, UnsafeRawBufferPointer(start: nil, count: 0), flush: true, into: &due) else {
            hasFailed = true
            throw .corruptState
          }
        }
        guard let copy = cisal_deflater_copy(deflater) else { throw .outOfMemory }
        return ISALDeflateStream(backend: .isal(copy), copying: self)
      }
    }

    /// Forgets the history (no context takeover, RFC 7692 §7.1.1) and any unfinished message. Keeps the memory.
    package func reset() {
      guard !isFresh || hasFailed else { return }
      switch backend {
      case .isal(let deflater): cisal_deflate_reset(deflater)
      case .zlib(let stream): stream.reset()
      }
      due = []
      hasFailed = false
      messageLength = 0
      isFresh = true
    }

    /// Compresses a part of a message and appends what ISA-L gives to `output`.
    ///
    /// With `finishMessage` the message is flushed and the trailing 00 00 FF FF removed (RFC 7692 §7.2.1).
    /// Without it nothing is flushed: a part in the middle of a message may append nothing, its bytes come
    /// with a later call.
    /// - Parameter input: any size; must not overlap the storage of `output`.
    /// - Throws: `corruptState`; `output` is then what it was before the call.
    package func compress(
      _ input: UnsafeRawBufferPointer,
      finishMessage: Bool,
      into output: inout [UInt8]
    ) throws(DeflateError) {
      switch backend {
      case .zlib(let stream):
        isFresh = false
        try stream.compress(input, finishMessage: finishMessage, into: &output)
      case .isal(let deflater):
        let start = output.count
        guard !hasFailed else { throw .corruptState }
        guard compress(deflater, input, finishMessage: finishMessage, into: &output) else {
          hasFailed = true
          output.removeLast(output.count - start)
          throw .corruptState
        }
      }
    }

    private func compress(
      _ deflater: OpaquePointer,
      _ input: UnsafeRawBufferPointer,
      finishMessage: Bool,
      into output: inout [UInt8]
    ) -> Bool {
      let (sum, overflow) = messageLength.addingReportingOverflow(input.count)
      messageLength = overflow ? .max : sum
      guard messageLength > 0 else {
        // The stream stands on a byte boundary here, so this octet is the header of an empty stored block
        // (RFC 7692 §7.2.3.6).
        if finishMessage { output.append(0) }
        return true
      }
      isFresh = false
      if !due.isEmpty {
        output.append(contentsOf: due)
        due = []
      }
      let start = output.count
      var offset = 0
      repeat {
        let end = offset + min(Self.sliceSize, input.count - offset)
        let restarts = cisal_deflate_total(deflater) >= restartsAfter
        let isLast = finishMessage && end == input.count
        let slice = UnsafeRawBufferPointer(rebasing: input[offset..<end])
        guard run(deflater, slice, flush: isLast || restarts, into: &output) else { return false }
        if restarts { cisal_deflate_reset(deflater) }
        offset = end
      } while offset < input.count
      guard finishMessage else { return true }
      messageLength = 0
      // A flush ends with its marker, so its four octets are within this call's output.
      let end = output.count
      guard end - start >= 4,
        output[end - 4] == 0, output[end - 3] == 0, output[end - 2] == 0xFF, output[end - 1] == 0xFF
      else { return false }
      output.removeLast(4)
      return true
    }

    /// Runs one slice through ISA-L until all input is taken and all output due is out.
    private func run(
      _ deflater: OpaquePointer,
      _ input: UnsafeRawBufferPointer,
      flush: Bool,
      into output: inout [UInt8]
    ) -> Bool {
      let bytes = input.baseAddress?.assumingMemoryBound(to: UInt8.self)
      var left = input.count
      // Stored blocks have five octets of overhead for thousands of bytes.
      var room = input.count &+ input.count >> 8 &+ 512
      if flush { room &+= min(messageLength &- input.count, Self.heldInputBound) }
      var roomLeft = 0
      repeat {
        let before = left
        var isGood = false
        var given = 0
        // Bounds: ISA-L gets what is left of the input and exactly the added capacity, and what it says it wrote is what
        // becomes visible.
        output.append(addingCapacity: room) { span in
          span.withUnsafeMutableBufferPointer { buffer, initializedCount in
            roomLeft = buffer.count
            isGood = cisal_deflate_step(
              deflater,
              bytes.map { $0 + (input.count - before) },
              &left,
              buffer.baseAddress,
              &roomLeft,
              flush
            )
            given = buffer.count - roomLeft
            initializedCount = given
          }
        }
        guard isGood, left < before || given > 0 || before == 0 else { return false }
        room = Self.extraRoom
        // A flush that just filled the room may have been complete; it is then repeated, which changes nothing.
      } while left > 0 || roomLeft == 0
      return !flush || cisal_deflate_is_flushed(deflater)
    }
  }
#endif

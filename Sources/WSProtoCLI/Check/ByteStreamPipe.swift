// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import WSProtoLab

/// A ``ByteStream`` for the cases of `check`.
final class ByteStreamPipe: CheckPipe {
  private let stream: ByteStream

  init(_ stream: ByteStream) { self.stream = stream }

  func write(_ bytes: [UInt8]) async throws { try await stream.write(bytes) }

  func read(within limit: Duration) async -> CheckReading {
    do {
      switch try await stream.read(within: limit) {
      case .bytes(let bytes): return .bytes(bytes)
      case .end: return .end
      case .timedOut: return .timedOut
      }
    } catch ByteStream.Failure.reset {
      return .reset
    } catch {
      return .end
    }
  }

  func finish() async throws { try await stream.finish() }

  func close() { stream.close() }
}
#endif

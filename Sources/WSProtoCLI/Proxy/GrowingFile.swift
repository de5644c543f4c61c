// SPDX-License-Identifier: Apache-2.0

#if Tool
import Synchronization
import WSProtoLab
import WSProtoTool

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// A file that is written without buffering, so that it can be read while it grows.
final class GrowingFile: Sendable {
  private struct State {
    var size: off_t = 0
    var failure: ToolFailure?
  }

  private let name: String
  private let descriptor: Int32
  private let state = Mutex(State())

  /// Creates the file, or overwrites it.
  ///
  /// - Throws: ``ToolFailure`` if that fails.
  init(_ path: String) throws(ToolFailure) {
    name = "the file \(shownInQuotes(path))"
    descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      throw ToolFailure(.output, "\(name) cannot be written: \(String(cString: strerror(errno)))")
    }
    // Also if it was there before: what passes may be secret.
    _ = fchmod(descriptor, 0o600)
  }

  deinit { close(descriptor) }

  /// Appends bytes, after removing some at the end.
  ///
  /// - Parameter replaced: how many bytes at the end to overwrite.
  func write(_ bytes: [UInt8], replacing replaced: Int = 0) {
    state.withLock { state in
      guard state.failure == nil else { return }
      var place = max(0, state.size - off_t(replaced))
      var written = 0
      while written < bytes.count {
        let count = bytes[written...].withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, place) }
        if count < 0, errno == EINTR { continue }
        guard count > 0 else {
          let text = "\(name) cannot be written: \(String(cString: strerror(errno)))"
          state.failure = ToolFailure(.output, text)
          Terminal.printError("\(text); nothing more is recorded there")
          return
        }
        written += count
        place += off_t(count)
      }
      state.size = place
    }
  }

  /// - Throws: the first failure to write: data was lost.
  func check() throws(ToolFailure) {
    if let failure = state.withLock({ $0.failure }) { throw failure }
  }
}
#endif

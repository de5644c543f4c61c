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

/// A file that is written as it goes: whoever reads it meanwhile sees all that was written.
final class OutputFile: Sendable {
  private struct State {
    var size: off_t = 0
    var failure: ToolFailure?
  }

  private let name: String
  private let descriptor: Int32
  private let state = Mutex(State())

  /// - Throws: ``ToolFailure`` if the file cannot be made. One that exists is overwritten.
  init(_ path: String) throws(ToolFailure) {
    name = "the file \(shownInQuotes(path))"
    descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      throw ToolFailure(.output, "\(name) cannot be written: \(String(cString: strerror(errno)))")
    }
  }

  deinit { close(descriptor) }

  /// Writes at the end, over the last bytes.
  ///
  /// - Parameter replaced: how many bytes at the end are written over.
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

/// A HAR, which is complete after each entry.
final class ArchiveFile: Sendable {
  private let file: OutputFile
  private let hasEntry = Mutex(false)

  init(_ path: String) throws(ToolFailure) {
    file = try OutputFile(path)
    file.write(Array((HARFile.beginning + HARFile.end).utf8))
  }

  func add(_ entry: [UInt8]) {
    let separator = hasEntry.withLock { hasEntry in
      defer { hasEntry = true }
      return hasEntry ? ",\n" : "\n"
    }
    file.write(Array(separator.utf8) + entry + Array(HARFile.end.utf8), replacing: HARFile.end.utf8.count)
  }

  func check() throws(ToolFailure) { try file.check() }
}
#endif

// SPDX-License-Identifier: Apache-2.0

#if Tool
import Synchronization
import WSProtoLab
import WSProtoTool

/// A HAR that is a complete file after each entry.
final class ArchiveFile: Sendable {
  private let file: GrowingFile
  private let hasEntry = Mutex(false)

  init(_ path: String) throws(ToolFailure) {
    file = try GrowingFile(path)
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

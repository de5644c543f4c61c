// SPDX-License-Identifier: Apache-2.0

#if NIO
import Logging
import Synchronization

/// Keeps what is logged.
final class TestLog: Sendable {
  struct Line: Sendable {
    let level: Logger.Level
    let text: String
    let metadata: [String: String]
  }

  private let kept = Mutex<[Line]>([])

  var lines: [Line] { kept.withLock { $0 } }

  /// What was logged at this level or above.
  func lines(from level: Logger.Level) -> [String] { lines.filter { $0.level >= level }.map(\.text) }

  /// The first line that begins with `text`.
  func line(_ text: String) -> Line? { lines.first { $0.text.hasPrefix(text) } }

  func logger() -> Logger {
    var logger = Logger(label: "test") { _ in Handler(log: self) }
    logger.logLevel = .debug
    return logger
  }

  private struct Handler: LogHandler {
    let log: TestLog
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.debug

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      let metadata = (event.metadata ?? [:]).mapValues { "\($0)" }
      let line = Line(level: event.level, text: "\(event.message)", metadata: metadata)
      log.kept.withLock { $0.append(line) }
    }
  }
}
#endif

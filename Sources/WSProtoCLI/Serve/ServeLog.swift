// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import Logging
import NIOCore
import Synchronization
import WSProto
import WSProtoLab
import WSProtoNIO
import WSProtoTool

/// What `serve` prints: its address, a line for each connection that has ended, and what the server warns of.
final class ServeLog: Sendable {
  private let json: Bool
  private let quiet: Bool
  private let verbose: Bool
  private let lastNumber = Atomic<Int>(0)
  private let screen = Mutex<TerminalScreen?>(nil)

  init(json: Bool, quiet: Bool, verbose: Bool) {
    self.json = json
    self.quiet = quiet
    self.verbose = verbose
  }

  /// What is printed from now on appears above this prompt.
  func use(_ screen: TerminalScreen) { self.screen.withLock { $0 = screen } }

  func print(_ line: String) {
    if let screen = screen.withLock({ $0 }) { try? screen.print([line]) } else { Terminal.print(line) }
  }

  func listening(_ url: String) {
    guard json else { return print("listening at \(url)") }
    var line = JSONLine()
    line.add("event", "listening")
    line.add("url", url)
    print(line.text)
  }

  /// Runs a conversation, closes the connection, and tells when it has ended.
  ///
  /// - Parameter isStopping: whether the server stops, which the peer is told.
  func serve(_ socket: WebSocket, _ service: any ServedConversation, isStopping: () -> Bool) async {
    let number = lastNumber.add(1, ordering: .relaxed).newValue
    let connection = ServedConnection(number: number, socket: socket)
    var failure: String?
    do {
      try await service.serve(connection)
      try await socket.close(code: isStopping() ? .goingAway : .normalClosure)
    } catch let close as ServiceClose {
      _ = try? await socket.close(code: close.code, reason: close.reason)
      failure = close.reason
    } catch is WebSocketClosed {
      // Told below.
    } catch {
      failure = "\(error)"
      _ = try? await socket.close(code: .internalError)
    }
    ended(connection, failure)
  }

  private func ended(_ connection: ServedConnection, _ failure: String?) {
    if quiet { return }
    let closed = connection.socket.closed
    let counts = connection.counts
    let target = connection.socket.request.target
    // The peer's Close, or that there was none.
    let code = closed?.code ?? .abnormalClosure
    var problem = failure
    if let closed, !closed.isOrderly, code == .abnormalClosure || closed.isViolation {
      problem = closed.words
    }
    if json {
      var line = JSONLine()
      line.add("event", "connection")
      line.add("number", connection.number)
      line.add("target", target)
      line.add("http", connection.httpVersion)
      line.add("messages", counts.messages)
      line.add("bytes", counts.bytes)
      line.add("code", Int(code.rawValue))
      line.add("reason", closed?.reason)
      line.add("failure", problem)
      return print(line.text)
    }
    let version = connection.httpVersion == "2" ? " by HTTP/2," : ""
    var line =
      "#\(connection.number) \(shown(target))\(version) \(counts.messages) messages, \(counts.bytes) bytes in"
    // After a violation, the reason is what follows.
    if code != .abnormalClosure, closed?.isViolation != true {
      line += ", closed with \(code)" + (closed?.reason.map { " " + shownInQuotes($0) } ?? "")
    }
    if let problem { line += ", failed: \(shown(problem))" }
    print(line)
  }

  // MARK: The server's log

  var handler: any LogHandler { Handler(isVerbose: verbose, recent: RecentWarnings()) }

  /// Prints warnings, on standard error; each of them once a minute at most.
  private struct Handler: LogHandler {
    let isVerbose: Bool
    let recent: RecentWarnings
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level = .debug

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      guard isVerbose || (event.level >= .warning && recent.isNew("\(event.message)")) else { return }
      var text = "\(event.level >= .warning ? "warning: " : "")\(event.message)"
      let values = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
      if !values.isEmpty { text += " (\(values.joined(separator: ", ")))" }
      Terminal.printError(text)
    }
  }
}

/// The warnings of the last minute.
private final class RecentWarnings: Sendable {
  private let times = Mutex<[String: ContinuousClock.Instant]>([:])

  /// Whether the text was not seen for a minute.
  func isNew(_ text: String) -> Bool {
    let now = ContinuousClock.now
    return times.withLock { times in
      if let last = times[text], now - last < .seconds(60) { return false }
      if times.count > 100 { times = [:] }
      times[text] = now
      return true
    }
  }
}

extension WebSocketClosed {
  fileprivate var isViolation: Bool { if case .violation = cause { true } else { false } }
}
#endif

// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import Foundation
import Synchronization
import WSProtoTool

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// A terminal with a prompt in its last row. What is printed appears above, and doesn't tear what is being typed.
final class TerminalScreen: Sendable {
  private struct State {
    var editor: LineEditor
    var isShown = false
  }

  private let state: Mutex<State>
  private let prompt: String
  private let history: HistoryFile?
  private static let original = Mutex<termios?>(nil)

  /// - Parameter prompt: what stands before the line that is typed.
  init(prompt: String, history: HistoryFile?) {
    self.prompt = prompt
    self.history = history
    state = Mutex(State(editor: LineEditor(history: history?.load() ?? History())))
  }

  /// Takes the terminal, and reads keys in a thread.
  ///
  /// - Parameter onAction: called with each line, and with what ends the input.
  func start(_ onAction: @escaping @Sendable (LineEditor.Action) -> Void) throws {
    var settings = termios()
    guard tcgetattr(0, &settings) == 0 else { return }
    Self.original.withLock { $0 = settings }
    // Output stays as it is: a line feed begins a line.
    settings.c_iflag &= ~tcflag_t(ICRNL | INLCR | IXON)
    settings.c_lflag &= ~tcflag_t(ICANON | ECHO | ISIG | IEXTEN)
    tcsetattr(0, TCSADRAIN, &settings)
    atexit { TerminalScreen.restore() }
    try? Terminal.write(Array("\u{1b}[?2004h".utf8))
    state.withLock { state in
      state.isShown = true
      show(state, before: "")
    }
    try detach { self.read(onAction) }
  }

  /// Gives the terminal back.
  func stop() {
    state.withLock { state in
      guard state.isShown else { return }
      state.isShown = false
      try? Terminal.write(Array("\r\u{1b}[K".utf8))
    }
    Self.restore()
  }

  private static func restore() {
    guard var settings = original.withLock({ $0.take() }) else { return }
    try? Terminal.write(Array("\u{1b}[?2004l".utf8))
    tcsetattr(0, TCSADRAIN, &settings)
  }

  /// Prints lines above the prompt.
  func print(_ lines: [String]) throws(ToolFailure) {
    let text = lines.map { $0 + "\n" }.joined()
    try state.withLock { (state) throws(ToolFailure) in
      guard state.isShown else { return try Terminal.write(Array(text.utf8)) }
      try Terminal.write(Array(("\r\u{1b}[K" + text + row(state.editor)).utf8))
    }
  }

  /// Replaces what is being typed by a line to edit.
  func edit(_ line: String) {
    state.withLock { state in
      state.editor.begin(line)
      show(state, before: "")
    }
  }

  // MARK: The prompt

  private func show(_ state: borrowing State, before: String) {
    guard state.isShown else { return }
    try? Terminal.write(Array((before + "\r\u{1b}[K" + row(state.editor)).utf8))
  }

  private func row(_ editor: LineEditor) -> String {
    var size = winsize()
    let columns = ioctl(1, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
    let (text, cursor) = editor.visible(columns: columns - prompt.columns - 1)
    let column = prompt.columns + 1 + cursor
    return Terminal.style.paint(prompt, .green) + " " + text + "\r" + (column > 0 ? "\u{1b}[\(column)C" : "")
  }

  private func read(_ onAction: @Sendable (LineEditor.Action) -> Void) {
    var decoder = KeyDecoder()
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = buffer.withUnsafeMutableBytes { systemRead(0, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR || errno == EAGAIN { continue }
      // The terminal has gone.
      guard count > 0 else { return onAction(.end) }
      for key in decoder.decode(buffer[..<count]) {
        let action = state.withLock { $0.editor.take(key) }
        switch action {
        case .clearScreen: try? Terminal.write(Array("\u{1b}[H\u{1b}[2J".utf8))
        case .submit(let line):
          history?.append(line)
          onAction(.submit(line))
        case .interrupt, .end: onAction(action ?? .end)
        case nil: break
        }
      }
      state.withLock { show($0, before: "") }
    }
  }
}

/// The lines of earlier sessions, in the user's folder for such state; for nobody else to read.
struct HistoryFile: Sendable {
  private let path: String

  /// The file of the user; `nil` if there is no folder for it.
  static func user() -> HistoryFile? {
    let environment = Terminal.environment
    let folder: String
    if let state = environment["XDG_STATE_HOME"], state.hasPrefix("/") {
      folder = state + "/wsproto"
    } else if let home = environment["HOME"], home.hasPrefix("/") {
      folder = home + "/.local/state/wsproto"
    } else {
      return nil
    }
    let attributes: [FileAttributeKey: Any] = [.posixPermissions: 0o700]
    do {
      try FileManager.default.createDirectory(
        atPath: folder,
        withIntermediateDirectories: true,
        attributes: attributes
      )
    } catch {
      return nil
    }
    return HistoryFile(path: folder + "/history")
  }

  func load() -> History {
    guard let data = FileManager.default.contents(atPath: path) else { return History() }
    let text = String(decoding: data, as: UTF8.self)
    let history = History(file: text)
    // Grown over: written anew with what is kept.
    if text.utf8.count > 2 * history.file.utf8.count + 4096 { write(history.file, O_TRUNC) }
    return history
  }

  func append(_ line: String) {
    var one = History()
    one.add(line)
    write(one.file, O_APPEND)
  }

  private func write(_ text: String, _ flag: Int32) {
    guard !text.isEmpty else { return }
    let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flag, 0o600)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    let bytes = Array(text.utf8)
    _ = bytes.withUnsafeBytes { systemWrite(descriptor, $0.baseAddress, $0.count) }
  }
}

private let systemRead = read
private let systemWrite = write
#endif

// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import WSProtoTool

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Reads standard input in a thread, and cuts it into what is to be sent.
struct InputReader: Sendable {
  enum Form: Sendable {
    case text, binary, json
  }

  /// Input without an end, such as /dev/zero, must not take all memory.
  private static let maxMessage = 1 << 30

  let mode: InputSplitter.Mode
  let form: Form
  /// What to do about input that is no text.
  var advice = ""
  let queue: InputQueue
  /// Called when nobody reads standard output any more.
  let onOutputGone: @Sendable () -> Void

  func start() throws { try detach { read() } }

  private func read() {
    var splitter = InputSplitter(mode)
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      guard waitForInput() else { return onOutputGone() }
      let count = buffer.withUnsafeMutableBytes { systemRead(0, $0.baseAddress, $0.count) }
      if count < 0 {
        if errno == EINTR || errno == EAGAIN { continue }
        let text = String(cString: strerror(errno))
        return queue.finish(ToolFailure(.input, "standard input cannot be read: \(text)"))
      }
      do throws(InvalidInput) {
        if count > 0 {
          try put(splitter.add(buffer[..<count]))
          guard splitter.unfinished <= Self.maxMessage else {
            throw InvalidInput(description: "a message of the input is larger than 1 GiB")
          }
          continue
        }
        if let last = splitter.end() { try put([last]) }
      } catch {
        return queue.finish(ToolFailure(.input, error.description))
      }
      queue.finish()
      watchOutput()
      return
    }
  }

  /// Waits until there is input; false if standard output's reader has gone before.
  private func waitForInput() -> Bool {
    while true {
      var streams = [
        pollfd(fd: 0, events: Int16(POLLIN), revents: 0),
        // No event is asked for: errors are told in any case.
        pollfd(fd: 1, events: 0, revents: 0),
      ]
      guard poll(&streams, 2, -1) > 0 else { continue }
      if streams[1].revents & Int16(POLLERR) != 0 { return false }
      if streams[0].revents != 0 { return true }
      // Something of the output that says nothing, such as a hang-up of its terminal.
      return true
    }
  }

  /// The input is over; the output's reader may still go.
  private func watchOutput() {
    var stream = pollfd(fd: 1, events: 0, revents: 0)
    while poll(&stream, 1, -1) < 0 {}
    if stream.revents & Int16(POLLERR) != 0 { onOutputGone() }
  }

  /// What comes before an item that means nothing is sent, however the input was cut into reads.
  private func put(_ messages: [[UInt8]]) throws(InvalidInput) {
    var items: [InputItem] = []
    do throws(InvalidInput) {
      for message in messages { if let item = try item(message) { items.append(item) } }
    } catch {
      queue.put(items, waits: true)
      throw error
    }
    queue.put(items, waits: true)
  }

  private func item(_ message: [UInt8]) throws(InvalidInput) -> InputItem? {
    switch form {
    case .binary: return .binary(message)
    case .json:
      guard message.contains(where: { $0 != 0x20 && $0 != 0x0D && $0 != 0x09 }) else { return nil }
      return try InputItem(json: message)
    case .text:
      guard let text = String(validating: message, as: UTF8.self) else {
        throw InvalidInput(description: "the input is not UTF-8" + advice)
      }
      return .text(text)
    }
  }
}

private let systemRead = read
#endif

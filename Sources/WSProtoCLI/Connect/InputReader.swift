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
          queue.put(try items(splitter.add(buffer[..<count])), waits: true)
          guard splitter.unfinished <= Self.maxMessage else {
            throw InvalidInput(description: "a message of the input is larger than 1 GiB")
          }
          continue
        }
        if let last = splitter.end() { queue.put(try items([last]), waits: true) }
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

  private func items(_ messages: [[UInt8]]) throws(InvalidInput) -> [InputItem] {
    var items: [InputItem] = []
    for message in messages {
      switch form {
      case .binary: items.append(.binary(message))
      case .json:
        guard message.contains(where: { $0 != 0x20 && $0 != 0x0D && $0 != 0x09 }) else { continue }
        items.append(try InputItem(json: message))
      case .text:
        guard let text = String(validating: message, as: UTF8.self) else {
          throw InvalidInput(description: "the input is not UTF-8: use --binary")
        }
        items.append(.text(text))
      }
    }
    return items
  }
}

private let systemRead = read
#endif

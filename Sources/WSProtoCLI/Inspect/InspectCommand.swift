// SPDX-License-Identifier: Apache-2.0

#if Tool
import ArgumentParser
import WSProto
import WSProtoLab
import WSProtoTool

struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "A recorded conversation: frames, messages, and each rule that is broken.",
    usage: "wsproto inspect <file> [options]",
    discussion: """
      Examples:
        printf '\\201\\001\\377' | wsproto inspect -   a text message that is not UTF-8
        wsproto inspect capture.pcapng --stats
        tcpdump -i lo -U -w - tcp port 9001 | wsproto inspect - --no-frames
      It reads pcap, pcapng, a browser's HAR, hex dumps such as xxd's, and the bytes
      of one direction. TLS and HTTP/2 are named, but not decoded.
      A line begins with the connection, the seconds since its beginning, the sender,
      and behind @ the offset among the bytes of that sender. What a peer has sent is
      escaped.
      The exit status is 5 if a rule is broken, and 26 if the file cannot be read to
      its end.
      """
  )

  @Argument(help: ArgumentHelp("The file; - for standard input.", valueName: "file"))
  var path: String

  @OptionGroup var shown: ShownArguments

  @Flag(help: "Sizes, ratios and round trips of all connections, in place of what was sent.")
  var stats = false

  @Option(help: ArgumentHelp("Only this connection, as numbered in the output.", valueName: "n"))
  var connection: Int?

  @Option(
    help: ArgumentHelp(
      "What the file is: \(Self.formats.joined(separator: ", ")). (default: by its first bytes)",
      valueName: "name"
    ),
    completion: .list(Self.formats)
  )
  var format: String?

  @Option(
    help: ArgumentHelp(
      "Who sent the bytes of one direction: client or server. (default: by its first bytes)",
      valueName: "peer"
    ),
    completion: .list(["client", "server"])
  )
  var sender: String?

  private static var formats: [String] { CaptureFormat.allCases.map(\.rawValue) }

  func validate() throws { _ = try arguments() }

  private func arguments() throws -> InspectRun.Arguments {
    var arguments = try shown.arguments()
    arguments.stats = stats
    if let connection {
      guard connection > 0 else { throw ValidationError("--connection must be at least 1") }
      arguments.options.connection = connection
    }
    if let format {
      guard let known = CaptureFormat(rawValue: format) else {
        let names = Self.formats.joined(separator: ", ")
        throw ValidationError("--format needs one of \(names), not \(shownInQuotes(format))")
      }
      arguments.options.format = known
    }
    switch sender {
    case nil: break
    case "client": arguments.options.sender = .client
    case "server": arguments.options.sender = .server
    case let sender?: throw ValidationError("--sender needs client or server, not \(shownInQuotes(sender))")
    }
    return arguments
  }

  func run() throws {
    let file = try InputFile(path)
    let output = LineBuffer()
    let run = InspectRun(try arguments()) { output.add($0) }
    var buffer = [UInt8](repeating: 0, count: 256 << 10)
    var isEmpty = true
    while true {
      let count = try file.read(into: &buffer)
      guard count > 0, run.receive(buffer.span.extracting(0..<count).bytes) else { break }
      isEmpty = false
      // A capture that is still being made is shown as it grows.
      try output.flush()
    }
    // A capture that failed, more often than a conversation without bytes.
    if isEmpty { throw ToolFailure(.input, "\(file.name) is empty") }
    let outcome = run.finish()
    try output.flush()
    switch outcome {
    case .legal: return
    case .violations: throw ToolFailure(.violation, "")
    case .unreadable(let error): throw ToolFailure(.input, "\(file.name), \(error)")
    }
  }
}

/// Lines for standard output, written many at once.
private final class LineBuffer {
  private var bytes: [UInt8] = []
  private var failure: ToolFailure?

  func add(_ line: String) {
    guard failure == nil else { return }
    bytes.append(contentsOf: line.utf8)
    bytes.append(UInt8(ascii: "\n"))
    if bytes.count >= 1 << 16 { write() }
  }

  private func write() {
    do throws(ToolFailure) {
      try Terminal.write(bytes)
    } catch {
      failure = error
    }
    bytes.removeAll(keepingCapacity: true)
  }

  /// - Throws: the first failure, also one of before.
  func flush() throws(ToolFailure) {
    if !bytes.isEmpty { write() }
    if let failure { throw failure }
  }
}
#endif

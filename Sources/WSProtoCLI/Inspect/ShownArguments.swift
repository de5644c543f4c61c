// SPDX-License-Identifier: Apache-2.0

#if Tool
import ArgumentParser
import WSProtoLab
import WSProtoTool

/// The options of `inspect` and `proxy` for showing a conversation.
struct ShownArguments: ParsableArguments {
  @Flag(help: "JSON objects, one a line.")
  var json = false

  @Flag(help: "Messages without their frames.")
  var noFrames = false

  @Flag(help: "Only handshakes and what is wrong or odd.")
  var verdict = false

  @Option(
    help: ArgumentHelp("Bytes shown of a payload. (default: 64, or 4096 with --json)", valueName: "n")
  )
  var bytes: Int?

  @Option(
    help: ArgumentHelp(
      "What the messages are: auto (by the subprotocol), none, \(Self.decoders.joined(separator: ", ")).",
      valueName: "name"
    ),
    completion: .list(["auto", "none"] + Self.decoders)
  )
  var decode = "auto"

  private static var decoders: [String] { MessageDecoderChoice.all.map { $0.name } }

  /// The most of a payload that can be asked for.
  private static let maxBytes = 16 << 20

  func arguments() throws -> InspectRun.Arguments {
    var arguments = InspectRun.Arguments()
    arguments.json = json
    arguments.frames = !noFrames
    arguments.verdictOnly = verdict
    if let bytes {
      guard 0...Self.maxBytes ~= bytes else {
        throw ValidationError("--bytes must be in 0...\(Self.maxBytes)")
      }
      arguments.previewBytes = bytes
    }
    if decode == "none" {
      arguments.decoder = nil
    } else if let decoder = MessageDecoderChoice(named: decode) {
      arguments.decoder = decoder
    } else {
      let names = (["auto", "none"] + Self.decoders).joined(separator: ", ")
      throw ValidationError("--decode needs one of \(names), not \(shownInQuotes(decode))")
    }
    return arguments
  }
}
#endif

// SPDX-License-Identifier: Apache-2.0

#if Tool
import ArgumentParser
import Foundation
import WSProtoTool

struct ManualCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "manual",
    abstract: "Prints the manual page, for man.",
    discussion: "Example: wsproto manual > wsproto.1 && man ./wsproto.1"
  )

  func run() throws {
    let dump = try JSONDecoder().decode(CommandDump.self, from: Data(WSProtoCommand._dumpHelp().utf8))
    Terminal.print(ManualPage(dump.command, version: WSProtoCommand.configuration.version).text)
  }
}

/// What the argument parser tells of its commands: a part of its documented JSON format.
struct CommandDump: Decodable {
  struct Command: Decodable {
    var commandName: String
    var abstract: String?
    var discussion: String?
    var subcommands: [Command]?
    var arguments: [Argument]?
  }

  struct Argument: Decodable {
    struct Name: Decodable {
      var kind: String
      var name: String
    }

    var kind: String
    var names: [Name]?
    var valueName: String?
    var defaultValue: String?
    var abstract: String?
  }

  var command: Command
}

/// A manual page in the macros of man(7).
struct ManualPage {
  private(set) var text = ""

  init(_ root: CommandDump.Command, version: String) {
    line(".TH WSPROTO 1 \"\" \"wsproto \(version)\"")
    section("NAME")
    line("wsproto \\- \(Self.escaped(root.abstract ?? ""))")
    section("SYNOPSIS")
    line(".B wsproto")
    line(".I command")
    line("[\\fIoptions\\fR]")
    for command in root.subcommands ?? [] where command.commandName != "help" {
      section("wsproto \(command.commandName)".uppercased())
      paragraphs(command.abstract)
      paragraphs(command.discussion)
      for argument in command.arguments ?? []
      where argument.names?.contains(where: { $0.name == "help" }) != true {
        add(argument)
      }
    }
    section("EXIT STATUS")
    verbatim(ExitStatus.table)
    section("ENVIRONMENT")
    for (name, meaning) in Self.environment {
      line(".TP")
      line("\\fB\(name)\\fR")
      line(Self.escaped(meaning))
    }
  }

  private static let environment = [
    ("NO_COLOR, FORCE_COLOR", "Colours are switched off or on."),
    ("SSL_CERT_FILE", "Certificates that vouch for servers, in place of the system's."),
    ("SSLKEYLOGFILE", "Where the secrets of TLS connections are written for tools that decrypt recordings."),
    ("ws_proxy, wss_proxy, http_proxy, https_proxy, all_proxy, no_proxy", "The proxy of connect and bench."),
    ("XDG_STATE_HOME", "The history of the prompt is in wsproto/history below it, or below ~/.local/state."),
  ]

  private mutating func line(_ text: String) { self.text += text + "\n" }

  private mutating func section(_ name: String) { line(".SH \(Self.escaped(name))") }

  private mutating func paragraphs(_ text: String?) {
    guard let text, !text.isEmpty else { return }
    line(".PP")
    verbatim(text)
  }

  private mutating func verbatim(_ text: String) {
    line(".nf")
    for one in text.split(separator: "\n", omittingEmptySubsequences: false) {
      line(Self.escaped(String(one)))
    }
    line(".fi")
  }

  private mutating func add(_ argument: CommandDump.Argument) {
    line(".TP")
    let names = (argument.names ?? []).map { $0.kind == "long" ? "--\($0.name)" : "-\($0.name)" }
    var head = names.map { "\\fB\(Self.escaped($0))\\fR" }.joined(separator: ", ")
    if argument.kind != "flag" {
      head += (head.isEmpty ? "" : " ") + "\\fI\(Self.escaped(argument.valueName ?? "value"))\\fR"
    }
    line(head)
    let defaultValue = argument.defaultValue.map { " Default: \($0)." } ?? ""
    line(Self.escaped((argument.abstract ?? "") + defaultValue))
  }

  /// Each character as itself, so that examples can be pasted: roff would make typographic quotes and hyphens of some,
  /// and takes others for bytes. No line begins with a dot by chance.
  private static func escaped(_ text: String) -> String {
    var escaped = text.first == "." ? "\\&" : ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": escaped += "\\e"
      case "-": escaped += "\\-"
      case "'": escaped += "\\(aq"
      case "`": escaped += "\\(ga"
      case "^": escaped += "\\(ha"
      case "~": escaped += "\\(ti"
      case _ where !scalar.isASCII:
        let hex = String(scalar.value, radix: 16, uppercase: true)
        escaped += "\\[u" + String(repeating: "0", count: max(0, 4 - hex.count)) + hex + "]"
      default: escaped.unicodeScalars.append(scalar)
      }
    }
    return escaped
  }
}
#endif

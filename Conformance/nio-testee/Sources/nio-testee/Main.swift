// SPDX-License-Identifier: Apache-2.0

// The testee on WSProtoNIO; what it does in each role is said by the scripts of Conformance that start it.

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

let usage = """
  usage: nio-testee version
         nio-testee echo-server [--port N] [--api async|handler] [--certificate FILE --key FILE] [OPTION …]
         nio-testee echo-client --url URL [--agent NAME] [--api async|handler]
         nio-testee zoo-server PORT
         nio-testee zoo-client [--http2 required|preferred] [--roots FILE]
         nio-testee counter --url URL [--ping SECONDS]
  The options of echo-server are those of EchoServerSettings.
  """

@main enum Main {
  static func main() async throws {
    let arguments = Arguments()
    switch arguments.verb {
    case "version": print("WSProtoNIO, this checkout")
    case "echo-server" where arguments["api"] == "handler": try await HandlerEcho.serve(arguments)
    case "echo-server": try await EchoServer.run(arguments)
    case "echo-client": try await EchoClient.run(arguments)
    case "zoo-server": try await ZooServer.run(arguments)
    case "zoo-client": await ZooClient.run(arguments)
    case "counter": try await Counter.run(arguments)
    default:
      print(usage)
      exit(64)
    }
  }
}

/// What the command line says.
struct Arguments {
  let verb: String
  /// What stands behind the verb and is no option.
  private(set) var operands: [String] = []
  private var values: [String: String] = [:]

  init() {
    let all = CommandLine.arguments
    verb = all.count > 1 ? all[1] : ""
    var rest = all.dropFirst(2)
    while let word = rest.popFirst() {
      if word.hasPrefix("--") {
        values[String(word.dropFirst(2))] = rest.popFirst() ?? ""
      } else {
        operands.append(word)
      }
    }
  }

  subscript(_ name: String) -> String? { values[name] }

  /// A number; `nil` where the option is not given.
  func number(_ name: String) -> Int? {
    guard let text = values[name] else { return nil }
    guard let number = Int(text) else { fail("--\(name) \(text): no number") }
    return number
  }

  /// A time in seconds.
  func seconds(_ name: String) -> Duration? {
    guard let text = values[name] else { return nil }
    guard let number = Double(text) else { fail("--\(name) \(text): no number of seconds") }
    return .seconds(number)
  }
}

func fail(_ text: String) -> Never {
  print(text)
  exit(64)
}

/// Prints one line at once: fields with tabs between. Lines of several threads do not mix.
func report(_ fields: String...) { report(fields) }

func report(_ fields: [String]) {
  let line = Array((fields.joined(separator: "\t") + "\n").utf8)
  _ = line.withUnsafeBytes { write(1, $0.baseAddress, $0.count) }
}

// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import ArgumentParser
import NIOSSL
import WSProto
import WSProtoLab
import WSProtoNIO
import WSProtoTool

struct ProxyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "proxy",
    abstract: "Forwards to a server, shows each frame as it passes, and disturbs it by rules.",
    usage: "wsproto proxy <url> [options]",
    discussion: """
      Examples:
        wsproto proxy :9001                 then: wsproto connect :9002
        wsproto proxy wss://example.com/feed --record feed.pcapng
        wsproto proxy :9001 --rule 'to-client text /price/ 10% delay 2s'
      A rule is [to-server|to-client|both] [text|binary|close|ping|pong|any|control|
      data] [/PART/ or 'GLOB'] [N%] and an action: delay TIME, drop, split BYTES,
      coalesce, segments BYTES, corrupt [payload|header] [BYTE[.BIT]], truncate
      BYTES, duplicate, close CODE ['REASON'], reset, replace 'OLD' 'NEW', hold. At
      the prompt, p passes what is held, e TEXT edits and d drops it; more: /help.
      Host becomes the target's, and so does the Origin of pages that come through
      the proxy; / becomes the path of <url>. What no rule changes passes byte for byte.
      Recorded files hold all that passes, Cookie, Authorization and passwords too:
      they are readable by you alone, and should not be passed on.
      The exit status is 5 if a rule of the protocol was broken.
      """
  )

  @Argument(help: "ws://, wss://, https://, localhost:9001, :9001, unix:/run/app.sock:/path")
  var url: String

  @Option(help: ArgumentHelp("Where to listen, as HOST:PORT; port 0: any.", valueName: "address"))
  var listen = "127.0.0.1:9002"

  @OptionGroup var certificate: ServerCertificateArguments

  @OptionGroup var trust: TrustArguments

  @Flag(help: "Leave Host and Origin as they come.")
  var keepHost = false

  @Option(
    name: .customLong("rule"),
    help: ArgumentHelp("What happens to messages; again for more.", valueName: "rule")
  )
  var rules: [String] = []

  @Option(help: ArgumentHelp("For what rules draw. (default: any, and shown)", valueName: "n"))
  var seed: UInt64?

  @Option(help: ArgumentHelp("Record what passes, as pcapng.", valueName: "file"))
  var record: String?

  @Option(help: ArgumentHelp("Record messages, as browsers export them.", valueName: "file"))
  var har: String?

  @OptionGroup var shown: ShownArguments

  @Flag(help: "Print nothing but the address.")
  var quiet = false

  @Flag(
    help: ArgumentHelp("Read commands also from standard input that is no terminal.", visibility: .hidden)
  )
  var interactive = false

  @Option(
    help: ArgumentHelp(
      "The largest message that rules look at; larger ones pass untouched.",
      valueName: "size",
      visibility: .hidden
    )
  )
  var maxHeld = "1M"

  @Option(help: ArgumentHelp("For connecting to the target.", valueName: "time", visibility: .hidden))
  var connectTimeout = "10s"

  func validate() throws {
    guard HostAndPort(listen) != nil else { throw ValidationError("--listen needs HOST:PORT, or a port") }
    _ = try address()
    _ = try settings()
    _ = try shown.arguments()
    _ = try ClientArguments.duration("--connect-timeout", connectTimeout)
  }

  // MARK: Options

  private func address() throws -> WebSocketAddress {
    do throws(InvalidURL) {
      return try WebSocketAddress(TypedAddress(url).url)
    } catch {
      throw ValidationError(WSProtoLab.shown("\(error)"))
    }
  }

  private func settings() throws -> ProxySettings {
    let address = try address()
    var target = ProxyTarget(
      authority: address.hostField,
      isSecure: address.isSecure,
      path: address.target
    )
    target.keepsHost = keepHost
    target.ownName = HostAndPort(listen)?.host ?? ""
    var settings = ProxySettings(target: target)
    for rule in rules {
      do throws(ProxyRuleError) {
        settings.add(try ProxyRule(rule))
      } catch {
        throw ValidationError(error.description)
      }
    }
    settings.seed = seed ?? 0
    settings.maxHeldBytes = try ClientArguments.size("--max-held", maxHeld)
    return settings
  }

  private func upstream() throws -> ProxiedConnection.Upstream {
    let address = try address()
    let path = TypedAddress(url).unixSocketPath
    return ProxiedConnection.Upstream(
      target: ByteStream.Target(address, unixSocketPath: path),
      tls: address.isSecure ? try ClientTLSLayer(try trust.tls(isNeeded: true), to: address.host) : nil,
      timeout: try ClientArguments.duration("--connect-timeout", connectTimeout),
      name: "\(address)",
      unixSocketPath: path
    )
  }

  // MARK: Running

  func run() async throws {
    guard let place = HostAndPort(listen) else { return }
    var settings = try settings()
    let isDrawing = !rules.isEmpty && seed == nil
    if isDrawing { settings.seed = UInt64.random(in: 0...9_999_999) }
    var plan = ProxyCore.Plan(settings: settings, shown: try shown.arguments())
    plan.isQuiet = quiet
    plan.record = try record.map { try GrowingFile($0) }
    plan.archive = try har.map { try ArchiveFile($0) }
    let tls = try certificate.configuration(host: place.host)
    let listener = try await ByteStreamListener.listen(
      at: .host(place.host, port: place.port),
      tls: try tls.map { try NIOSSLContext(configuration: $0) }
    )
    let output = ProxyOutput()
    let core = ProxyCore(plan, output)
    let connection = ProxiedConnection(core: core, output: output, upstream: try upstream())
    let port = listener.port ?? place.port
    let seed = isDrawing ? settings.seed : nil
    try await ProxyServer(listener: listener, core: core, output: output).run(
      readsInput: interactive || settings.holds || Terminal.inputIsTerminal && Terminal.outputIsTerminal,
      announce: { announce(place, port, isSecure: tls != nil, seed: seed) },
      serve: { await connection.serve($0) }
    )
    try plan.record?.check()
    try plan.archive?.check()
    if await core.hasViolation { throw ToolFailure(.violation, "") }
  }

  private func announce(_ place: HostAndPort, _ port: Int, isSecure: Bool, seed: UInt64?) {
    let name = place.host.contains(":") ? "[\(place.host)]" : place.host
    let url = "\(isSecure ? "wss" : "ws")://\(name):\(port)/"
    let typed = TypedAddress(self.url)
    guard shown.json else {
      let drawn = seed.map { ", with --seed \($0)" } ?? ""
      let target = WSProtoLab.shown(typed.unixSocketPath.map { "unix:\($0)" } ?? typed.url)
      return Terminal.print("listening at \(url), forwarding to \(target)\(drawn)")
    }
    var line = JSONLine()
    line.add("type", "listening")
    line.add("url", url)
    line.add("target", typed.url)
    line.add("unixSocket", typed.unixSocketPath)
    line.add("seed", seed)
    Terminal.print(line.text)
  }
}
#endif

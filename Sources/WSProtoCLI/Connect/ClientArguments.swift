// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import ArgumentParser
import Foundation
import HTTPTypes
import NIOCore
import NIOSSL
import WSProto
import WSProtoLab
import WSProtoNIO
import WSProtoTool

/// Which server, for `connect` and `bench`.
struct ServerArgument: ParsableArguments {
  @Argument(help: "ws://, wss://, https://, localhost:9001, :9001, unix:/run/app.sock:/path")
  var url: String

  var address: TypedAddress { TypedAddress(url) }

  /// The URL with its host in ASCII (UTS #46).
  var asciiURL: String { Self.ascii(address.url) }

  static func ascii(_ url: String) -> String {
    guard !url.utf8.allSatisfy({ $0 < 0x80 }), var parts = URLComponents(string: url) else { return url }
    // Foundation converts it.
    if let host = parts.encodedHost { parts.encodedHost = host }
    return parts.string ?? url
  }
}

/// How to reach a server, for `connect` and `bench`.
struct ClientArguments: ParsableArguments {
  @Option(
    name: [.customShort("H"), .customLong("header")],
    help: ArgumentHelp("'Name: value'; @FILE: the fields in a file.", valueName: "field")
  )
  var headers: [String] = []

  @Option(
    name: [.customShort("s"), .customLong("subprotocol")],
    help: ArgumentHelp("A subprotocol to ask for; again for more.", valueName: "name")
  )
  var subprotocols: [String] = []

  @Option(help: ArgumentHelp("The field Origin, as browsers send it.", valueName: "origin"))
  var origin: String?

  @Option(help: ArgumentHelp("Credentials; @FILE or env:NAME keep them out of ps.", valueName: "user:pw"))
  var basic: String?

  @Option(
    help: ArgumentHelp(
      "A token for Authorization: Bearer; @FILE or env:NAME keep it out of ps.",
      valueName: "token",
      visibility: .hidden
    )
  )
  var bearer: String?

  @OptionGroup var trust: TrustArguments

  @Option(help: ArgumentHelp("The client's certificate and those that vouch for it.", valueName: "file"))
  var cert: String?

  @Option(help: ArgumentHelp("The key of --cert. (default: the file of --cert)", valueName: "file"))
  var key: String?

  @Option(
    help: ArgumentHelp(
      "A file for the secrets of TLS. (default: SSLKEYLOGFILE)",
      valueName: "file",
      visibility: .hidden
    )
  )
  var keylog: String?

  @Option(
    help: ArgumentHelp(
      "The name to ask for in TLS. (default: the host)",
      valueName: "name",
      visibility: .hidden
    )
  )
  var serverName: String?

  @Option(help: ArgumentHelp("http, https, socks5. (default: ws_proxy and the like)", valueName: "url"))
  var proxy: String?

  @Flag(help: ArgumentHelp("Use no proxy, whatever the environment says.", visibility: .hidden))
  var noProxy = false

  @Flag(name: [.customShort("L"), .customLong("location")], help: "Follow redirects, up to ten.")
  var followsRedirects = false

  @Flag(name: .customLong("http2"), help: "Open the WebSocket by HTTP/2 (RFC 8441), or not at all.")
  var requiresHTTP2 = false

  @Flag(help: "Do not offer permessage-deflate.")
  var noCompression = false

  @Option(help: ArgumentHelp("How long connecting may take, then the handshakes.", valueName: "time"))
  var connectTimeout = "10s"

  @Option(
    help: ArgumentHelp(
      "How long the server may take to answer a Close.",
      valueName: "time",
      visibility: .hidden
    )
  )
  var closeTimeout = "10s"

  @Option(help: ArgumentHelp("The time between pings; 0 for none.", valueName: "time"))
  var pingInterval = "20s"

  @Option(help: ArgumentHelp("How long the server may be silent after a ping.", valueName: "time"))
  var pingTimeout = "20s"

  @Option(help: ArgumentHelp("The largest message to take.", valueName: "size"))
  var maxMessage = "64M"

  func options(_ server: ServerArgument) throws -> WebSocketClientOptions {
    let parsed: WebSocketAddress
    do throws(InvalidURL) {
      parsed = try WebSocketAddress(server.asciiURL)
    } catch {
      throw ValidationError(shown("\(error)"))
    }
    var options = WebSocketClientOptions()
    if server.address.unixSocketPath?.isEmpty == true {
      throw ValidationError("the path of a Unix socket is missing: unix:/run/app.sock")
    }
    options.unixSocketPath = server.address.unixSocketPath
    options.subprotocols = subprotocols
    options.extraHeaders = try fields()
    options.redirects = followsRedirects ? RedirectPolicy() : .refuse
    options.http2 = requiresHTTP2 ? .required : .never
    try setTLS(&options, isNeeded: parsed.isSecure)
    if let proxy {
      do throws(InvalidURL) {
        options.proxy = .through(try ProxyAddress(proxy))
      } catch {
        throw ValidationError("--proxy: \(error)")
      }
    } else {
      options.proxy = noProxy ? .none : .environment
    }
    try setSocket(&options.socket)
    options.connectTimeout = try Self.limit("--connect-timeout", connectTimeout)
    // The request is checked before there is a socket: what cannot be sent is a matter of the command line.
    do throws(LocalProtocolError) {
      _ = try WSConnection(.client).send(
        Request(
          host: parsed.hostField,
          target: parsed.target,
          extraHeaders: options.extraHeaders,
          subprotocols: subprotocols
        )
      )
    } catch {
      throw ValidationError(error.description)
    }
    return options
  }

  private func setSocket(_ socket: inout WebSocketOptions) throws {
    if !noCompression { socket.compression = WebSocketCompression() }
    socket.maxMessageBytes = try Self.size("--max-message", maxMessage)
    socket.timeouts.opening = try Self.limit("--connect-timeout", connectTimeout)
    socket.timeouts.closing = try Self.duration("--close-timeout", closeTimeout)
    socket.timeouts.keepalive = try Self.keepalive(pingInterval, pingTimeout)
    // A slow server holds the input up, however long it takes; a dead one is found by pings.
    socket.slowConsumer = .wait(atMost: nil)
  }

  private func setTLS(_ options: inout WebSocketClientOptions, isNeeded: Bool) throws {
    options.tls = try trust.tls(isNeeded: isNeeded)
    options.tls.serverName = serverName
    if let cert {
      let certificates = try PEMFile.certificates("--cert", cert)
      let privateKey = try PEMFile.key(key == nil ? "--cert" : "--key", key ?? cert)
      try PEMFile.check(certificates, privateKey, options: "--cert and --key")
      options.tls.certificateChain = certificates.map { .certificate($0) }
      options.tls.privateKey = .privateKey(privateKey)
    } else if key != nil {
      throw ValidationError("--key needs --cert")
    }
    options.proxyTLS = options.tls
    options.proxyTLS.serverName = nil
    options.tls.keyLog = try KeyLog.callback(file: keylog).map { TLSKeyLog($0) }
  }

  private func fields() throws -> HTTPFields {
    var fields = HTTPFields()
    for header in headers {
      guard header.first == "@" else {
        fields.append(try Self.field(header))
        continue
      }
      for line in try Secret.read(header).split(whereSeparator: \.isNewline) {
        fields.append(try Self.field(String(line)))
      }
    }
    if let origin { fields[.origin] = try Self.value(origin, of: .origin) }
    if basic != nil, bearer != nil { throw ValidationError("--basic and --bearer exclude each other") }
    if let bearer {
      let token = try Secret.read(bearer)
      // Not quoted: it is secret.
      guard !token.isEmpty, token.utf8.allSatisfy({ 0x21...0x7E ~= $0 }) else {
        throw ValidationError("--bearer needs a token without spaces and control characters (RFC 6750 §2.1)")
      }
      fields[.authorization] = "Bearer \(token)"
    }
    if let basic {
      let parts = try Secret.read(basic).split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2,
        let credentials = BasicCredentials(user: String(parts[0]), password: String(parts[1]))
      else {
        throw ValidationError("--basic needs user:password, without control characters")
      }
      fields[.authorization] = credentials.authorization
    }
    return fields
  }

  static func field(_ text: String) throws -> HTTPField {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, let name = HTTPField.Name(String(parts[0])) else {
      throw ValidationError("--header needs 'Name: value', not \(shownInQuotes(text))")
    }
    return HTTPField(
      name: name,
      value: try value(parts[1].trimmingCharacters(in: .whitespaces), of: name)
    )
  }

  /// Checks what would otherwise be changed before it is sent.
  private static func value(_ value: String, of name: HTTPField.Name) throws -> String {
    // Not quoted: it may be secret.
    guard HTTPField.isValidValue(value) else {
      throw ValidationError("control characters in the value of the field \(name) (RFC 9110 §5.5)")
    }
    return value
  }

  static func duration(_ name: String, _ text: String) throws -> Duration {
    guard let duration = DurationText.parse(text) else {
      throw ValidationError("\(name) needs a time such as 500ms, 10s or 2m, not \(shownInQuotes(text))")
    }
    return duration
  }

  /// A time that something may take.
  static func limit(_ name: String, _ text: String) throws -> Duration {
    let duration = try duration(name, text)
    guard duration > .zero else { throw ValidationError("\(name) must be more than 0") }
    return duration
  }

  /// What `--ping-interval` and `--ping-timeout` say; `nil` for no pings.
  static func keepalive(_ interval: String, _ timeout: String) throws -> Timeouts.Keepalive? {
    let interval = try duration("--ping-interval", interval)
    let timeout = try duration("--ping-timeout", timeout)
    guard interval > .zero else { return nil }
    return Timeouts.Keepalive(pingInterval: interval, pongTimeout: timeout == .zero ? nil : timeout)
  }

  static func size(_ name: String, _ text: String) throws -> Int {
    guard let size = SizeText.parse(text), size >= 1 else {
      throw ValidationError(
        "\(name) needs a size of at least 1 byte such as 4096, 64K or 16M, not \(shownInQuotes(text))"
      )
    }
    return size
  }
}

/// A value that is secret: as it is, in a file, or in an environment variable.
enum Secret {
  static func read(_ text: String) throws -> String {
    if text.first == "@" {
      guard let contents = try? String(contentsOfFile: String(text.dropFirst()), encoding: .utf8) else {
        throw ValidationError("the file \(shownInQuotes(String(text.dropFirst()))) cannot be read as text")
      }
      return contents.trimmingCharacters(in: .newlines)
    }
    if text.hasPrefix("env:") {
      guard let value = Terminal.environment[String(text.dropFirst(4))] else {
        throw ValidationError("there is no environment variable \(shownInQuotes(String(text.dropFirst(4))))")
      }
      return value
    }
    return text
  }
}

/// Where the secrets of TLS connections are written, for tools that decrypt recordings.
enum KeyLog {
  /// - Parameter file: its path; `nil` for that of `SSLKEYLOGFILE`.
  static func callback(file: String?) throws -> NIOSSLKeyLogCallback? {
    guard let path = file ?? Terminal.environment["SSLKEYLOGFILE"], !path.isEmpty else { return nil }
    let descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      throw ValidationError(
        "the key log \(shownInQuotes(path)) cannot be written: \(String(cString: strerror(errno)))"
      )
    }
    // Open until the process ends. A line is one write, so that lines of several threads don't mix.
    return { line in
      let count = line.withUnsafeReadableBytes { write(descriptor, $0.baseAddress, $0.count) }
      guard count != line.readableBytes else { return }
      // Told at the end: the connection can do without.
      let cause = count < 0 ? String(cString: strerror(errno)) : "not all of a line"
      Terminal.keep(ToolFailure(.output, "the key log \(shownInQuotes(path)) cannot be written: \(cause)"))
    }
  }
}
#endif

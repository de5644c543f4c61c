// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import WSProto

// What the steps do.
extension ScenarioRunner {
  // MARK: Opening

  mutating func connect(_ step: ConnectStep, _ name: String) async throws(ScenarioFailure) -> Difference? {
    let url = try step.url.text(variables)
    let deadline = deadline(nil)
    let limit = deadline - ContinuousClock.now
    let insecure = step.insecure || options.insecure
    let opening = try await network.connect(to: url, insecure: insecure, within: limit)
    let link: ScenarioLink
    do throws(ScenarioFailure) {
      var subprotocols: [String] = []
      for subprotocol in step.subprotocols { subprotocols.append(try subprotocol.text(variables)) }
      var fields = try fields(step.headers)
      if fields[.authorization] == nil { fields[.authorization] = opening.authorization }
      let request = Request(
        host: opening.host,
        target: opening.target,
        extensions: step.compression ? [PerMessageDeflate()] : [],
        extraHeaders: fields,
        subprotocols: subprotocols
      )
      link = try ScenarioLink(opening.stream, asking: request, replies: step.replies)
    } catch {
      await opening.stream.close()
      throw error
    }
    all.append(link)
    await link.start()
    links[name] = link
    guard let seen = await link.next(until: deadline) else {
      throw ScenarioFailure("the server has not answered the handshake \(waited(nil))")
    }
    opened[name] = ContinuousClock.now
    switch seen {
    case .opened: return nil
    case .refused where step.mayBeRefused:
      await link.putBack(seen)
      return nil
    default:
      throw ScenarioFailure("the connection was not opened: \(seen.description)")
    }
  }

  private func fields(_ headers: [HeaderField]) throws(ScenarioFailure) -> HTTPFields {
    var fields = HTTPFields()
    for header in headers {
      guard let name = HTTPField.Name(header.name) else {
        throw ScenarioFailure("\(shownInQuotes(header.name)) is no name of a field")
      }
      fields.append(HTTPField(name: name, value: try header.value.text(variables)))
    }
    return fields
  }

  /// Sets `NAME.url`, so that others find it.
  mutating func listen(_ step: ListenStep) async throws(ScenarioFailure) {
    var answer = ScenarioPeer.Answer()
    answer.subprotocol = try step.subprotocol.map { (value) throws(ScenarioFailure) in
      try value.text(variables)
    }
    answer.fields = try fields(step.headers)
    answer.compression = step.compression
    answer.replies = step.replies
    if let refusal = step.refusal {
      answer.refusal = (refusal.status, try refusal.body?.bytes(variables) ?? [])
    }
    let listener = try await network.listen(at: step.address.text(variables))
    let server = ScenarioServer(listener, answer)
    servers[step.name] = server
    variables.set("\(step.name).url", .text("ws://\(listener.address)"))
    options.note?("\(step.name) listens at ws://\(listener.address)")
    await server.start()
  }

  mutating func accept(_ listener: String, _ name: String) async throws(ScenarioFailure) -> Difference? {
    guard let server = servers[listener] else { throw ScenarioFailure("the listener is not open") }
    guard let link = await server.take(until: deadline(nil)) else {
      throw ScenarioFailure("nobody has connected \(waited(nil))")
    }
    all.append(link)
    links[name] = link
    opened[name] = ContinuousClock.now
    return nil
  }

  // MARK: Expecting

  func expect(_ expect: ExpectStep, _ link: ScenarioLink) async throws(ScenarioFailure) -> Difference? {
    let matcher = ExpectMatcher(expect: expect, variables: variables)
    let deadline = deadline(expect.within)
    var passed = 0
    var last: Difference?
    while true {
      guard let seen = await Self.next(expect, link, deadline) else {
        var difference = Difference(
          "nothing came",
          expected: matcher.description,
          seen: "nothing \(waited(expect.within))"
        )
        if passed > 0 {
          difference.message = "it did not come"
          difference.details.append("passed over: \(passed); the last:")
          difference.details += last?.details ?? []
        }
        return difference
      }
      switch try matcher.verdict(seen) {
      case .matches: return nil
      case .passesOver: continue
      case .differs(let difference):
        guard expect.passesOver, seen.isPassable else { return difference }
        passed += 1
        last = difference
      }
    }
  }

  private static func next(
    _ expect: ExpectStep,
    _ link: ScenarioLink,
    _ deadline: Instant
  ) async -> ScenarioSeen? {
    switch expect.content {
    case .ping: await link.nextControlFrame(isPing: true, until: deadline)
    case .pong: await link.nextControlFrame(isPing: false, until: deadline)
    default: await link.next(until: deadline)
    }
  }

  func silence(_ duration: Duration, _ link: ScenarioLink) async throws(ScenarioFailure) -> Difference? {
    let deadline = deadline(duration)
    while let seen = await link.next(until: deadline) {
      switch seen {
      case .ping, .pong: continue
      default:
        return Difference(
          "something came",
          expected: "silence for \(Self.text(duration))",
          seen: seen.description
        )
      }
    }
    return nil
  }

  // MARK: Others

  mutating func capture(_ capture: CaptureStep, _ link: ScenarioLink) async throws(ScenarioFailure)
    -> Difference?
  {
    guard let bytes = await link.lastMessage else {
      throw ScenarioFailure("no message has come yet on this connection")
    }
    let text = String(decoding: bytes, as: UTF8.self)
    switch capture.part {
    case .whole: variables.set(capture.variable, .text(text))
    case .pattern(let pattern):
      guard let match = try pattern.firstMatch(in: text) else {
        throw ScenarioFailure("\(pattern) matches nothing in \(ScenarioSeen.quoted(bytes))")
      }
      variables.set(capture.variable, .text(match))
    case .path(let path):
      guard let root = try? JSONValue(parsing: bytes) else {
        throw ScenarioFailure("the last message is no JSON: \(ScenarioSeen.quoted(bytes))")
      }
      guard let value = path.value(in: root) else {
        throw ScenarioFailure("there is no \(path) in \(ScenarioSeen.quoted(bytes))")
      }
      variables.set(capture.variable, .json(value))
    }
    return nil
  }

  /// Closes, and waits for the other end's Close; messages before it are passed over.
  func close(_ close: ClosePayloadStep, _ link: ScenarioLink) async throws(ScenarioFailure) -> Difference? {
    let deadline = deadline(nil)
    try await link.send(close, variables, until: deadline)
    while let seen = await link.next(until: deadline) {
      switch seen {
      case .close: return nil
      case .text, .binary, .ping, .pong: continue
      case .opened, .refused, .handshakeFailed, .violation, .ended:
        return Difference("the Close was not answered", expected: "a Close", seen: seen.description)
      }
    }
    return Difference("the Close was not answered", expected: "a Close", seen: "nothing \(waited(nil))")
  }
}

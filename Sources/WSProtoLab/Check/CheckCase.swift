// SPDX-License-Identifier: Apache-2.0

package import WSProto

/// One thing that the other end of a connection is put through.
package struct CheckCase: Sendable {
  /// What cases are about. The first part of an ``CheckCase/id``.
  package enum Group: String, Sendable, CaseIterable {
    case handshake, frames, fragmentation, utf8, control, close, deflate, limits
  }

  /// How binding the rule is (RFC 2119).
  package enum Severity: String, Sendable, CaseIterable {
    case must, should
    /// Nothing is required: what the peer does is information.
    case may
  }

  /// A name that does not change, such as `frames/reserved-bit-1`.
  package let id: String
  /// The rule, as one sentence.
  package let title: String
  /// Where it stands, such as `RFC 6455 §5.2`.
  package let section: String
  package let severity: Severity
  /// Which ends can be put through it.
  package let testees: Set<ConnectionType>
  /// Whether it needs a peer that sends messages back.
  let needsEcho: Bool
  let script: @Sendable (CheckPeer) async throws -> Void

  /// - Parameter script: plays our end. It returns if the peer has passed, and throws ``CheckStop`` if not.
  init(
    _ id: String,
    _ section: String,
    _ title: String,
    _ severity: Severity = .must,
    testees: Set<ConnectionType> = [.server, .client],
    echo needsEcho: Bool = false,
    _ script: @escaping @Sendable (CheckPeer) async throws -> Void
  ) {
    self.id = id
    self.title = title
    self.section = section
    self.severity = severity
    self.testees = testees
    self.needsEcho = needsEcho
    self.script = script
  }

  /// A case of the handshake, which servers and clients do differently.
  static func handshake(
    _ testee: ConnectionType,
    _ id: String,
    _ section: String,
    _ title: String,
    _ severity: Severity = .must,
    _ script: @escaping @Sendable (CheckPeer) async throws -> Void
  ) -> CheckCase {
    CheckCase("handshake/\(id)", section, title, severity, testees: [testee], script)
  }

  package var group: Group { Group(rawValue: String(id.prefix { $0 != "/" })) ?? .handshake }

  /// All cases for a testee, in the order of the groups.
  package static func all(for testee: ConnectionType) -> [CheckCase] {
    let all =
      serverHandshake + serverAnswers + clientHandshake + frames + fragmentation + utf8 + control + close
      + deflateOffers + deflate + limits
    return all.filter { $0.testees.contains(testee) }
  }

  /// Whether a pattern with `*` and `?` is for this case; a pattern without a slash is for a whole group, too.
  package func matches(_ pattern: String) -> Bool {
    PayloadPattern(glob: pattern).matches(Array(id.utf8)) || group.rawValue == pattern
  }
}

/// Why a case has not been passed.
package struct CheckFailure: Sendable, Hashable {
  package var severity: CheckCase.Severity
  package var section: String
  package var expected: String
  package var seen: String
}

/// Ends a case's script.
enum CheckStop: Error {
  case failed(CheckFailure)
  case notApplicable(String)
}

/// What a case has come to.
package struct CheckResult: Sendable {
  package enum Verdict: Sendable, Hashable {
    case passed
    case failed(CheckFailure)
    /// With the reason.
    case notApplicable(String)
  }

  package let id: String
  package let title: String
  package let section: String
  package let severity: CheckCase.Severity
  package let group: CheckCase.Group
  package var verdict: Verdict
  /// False if this end could not begin it, for want of a connection: then it says nothing about the peer.
  package var wasRun = true
  /// What was seen, and is allowed.
  package var notes: [String]
  package var transcript: CheckTranscript

  init(_ one: CheckCase, _ verdict: Verdict, notes: [String] = [], _ transcript: CheckTranscript) {
    id = one.id
    title = one.title
    section = one.section
    severity = one.severity
    group = one.group
    self.verdict = verdict
    self.notes = notes
    self.transcript = transcript
  }

  /// A case that could not be begun.
  init(_ one: CheckCase, notRun reason: String) {
    self.init(one, .notApplicable("it could not be run: \(reason)"), CheckTranscript())
    wasRun = false
  }

  /// Whether a rule that binds is broken.
  package var isViolation: Bool {
    if case .failed(let failure) = verdict { failure.severity == .must } else { false }
  }
}

// SPDX-License-Identifier: Apache-2.0

/// What is to come, and how long it may take.
package struct ExpectStep: Sendable {
  package enum Content: Sendable {
    case text(PayloadCheck)
    case binary(PayloadCheck)
    case json(JSONCheck)
    /// Any message.
    case message
    case ping(PayloadCheck)
    case pong(PayloadCheck)
    /// A Close; without a code, with any.
    case close(CloseCheck)
    /// The end of the connection, with a Close or without.
    case end
    /// The other end breaks the protocol, and is answered with this code.
    case violation(code: UInt16?)
    /// The server answers the handshake with a status other than 101.
    case refused(status: Int?, body: PayloadCheck)
  }

  package var content: Content
  /// `nil` for the default.
  package var within: Duration?
  /// Passes over messages that differ.
  package var passesOver = false
}

/// What a payload must be.
package enum PayloadCheck: Sendable {
  case anything
  case equals(Payload)
  case contains(Payload)
  case matches(TextPattern)
  case size(Comparison, Int)
}

/// What a JSON text must be.
package enum JSONCheck: Sendable {
  case anything
  case equals(JSONTemplate)
  /// Has at least these members, at any depth.
  case includes(JSONTemplate)
  /// At least one.
  case conditions([JSONCondition])
}

/// A condition on a part of a JSON text.
package struct JSONCondition: Sendable {
  package enum Test: Sendable {
    case exists
    case absent
    case kind(JSONValue.Kind)
    case compares(Comparison, JSONTemplate)
    case contains(JSONTemplate)
    case includes(JSONTemplate)
    case matches(TextPattern)
  }

  package var path: JSONPath
  /// About the number of elements, members or characters, in place of the value itself.
  package var isLength = false
  package var test: Test
  /// As it was written.
  package var source: String
}

/// What a Close must say.
package struct CloseCheck: Sendable {
  /// 1005 for a Close without a code; `nil` for any.
  package var code: UInt16?
  package var reason: PayloadCheck = .anything
}

/// A comparison of two values.
package enum Comparison: String, Sendable, CaseIterable {
  case equal = "=="
  case unequal = "!="
  case less = "<"
  case lessOrEqual = "<="
  case greater = ">"
  case greaterOrEqual = ">="

  /// Whether it holds for values in this order.
  package func holds<Value: Comparable>(_ left: Value, _ right: Value) -> Bool {
    switch self {
    case .equal: left == right
    case .unequal: left != right
    case .less: left < right
    case .lessOrEqual: left <= right
    case .greater: left > right
    case .greaterOrEqual: left >= right
    }
  }
}

/// A condition on the opening handshake of a connection that is open.
package struct HandshakeCheck: Sendable {
  package enum Subject: Sendable {
    /// The subprotocol in use; `none` where there is none.
    case subprotocol
    /// A field that the other end has sent.
    case header(String)
    /// The target of the client's request; of a server of ours only.
    case path
    /// Whether permessage-deflate is in use.
    case compression
  }

  package enum Test: Sendable {
    case present
    case absent
    case text(PayloadCheck)
  }

  package var subject: Subject
  package var test: Test
}

// SPDX-License-Identifier: Apache-2.0

/// A file of tests: conversations, written as steps.
package struct ScenarioFile: Sendable {
  /// How the file is named in messages.
  package var name: String
  /// Variables with the values that they have where nobody sets them.
  package var defaults: [(name: String, value: Template)] = []
  /// How long each step may take; `nil` for the caller's default.
  package var stepTimeout: Duration?
  /// At least one, in a file that was read.
  package var tests: [ScenarioTest] = []

  /// A file without tests.
  package init(name: String) { self.name = name }
}

/// A conversation: steps, taken one after the other. The first that fails ends it.
package struct ScenarioTest: Sendable {
  /// What it shows.
  package var title: String
  /// What is done.
  package var steps: [ScenarioStep]
}

/// One step, and where it stands.
package struct ScenarioStep: Sendable {
  /// The line in its file, from 1.
  package var line: Int
  /// Its first line, as it was written.
  package var source: String
  /// The connection that it is about; empty for the one without a name, and for steps that are about none.
  package var connection: String
  /// What is done.
  package var action: Action

  /// What a step does.
  package enum Action: Sendable {
    /// Gives a variable a value.
    case set(String, Template)
    /// Opens a connection.
    case connect(ConnectStep)
    /// Opens a port at which a server of ours answers.
    case listen(ListenStep)
    /// Takes the next connection to the listener of this name.
    case accept(listener: String)
    /// Sends a message, a frame or bytes.
    case send(SendStep)
    /// Waits for something to come.
    case expect(ExpectStep)
    /// Checks what was said in the opening handshake.
    case check(HandshakeCheck)
    /// Nothing comes for so long, but pings and pongs.
    case silence(Duration)
    /// Keeps a part of the last message in a variable.
    case capture(CaptureStep)
    /// Sends a Close and waits for the other end's.
    case close(ClosePayloadStep)
    /// Ends the TCP connection without a Close.
    case disconnect
    /// Resets the TCP connection.
    case reset
    /// Does nothing for so long.
    case wait(Duration)
    /// Does nothing until so long after the connection was opened.
    case waitUntil(Duration)
  }
}

/// How to open a connection.
package struct ConnectStep: Sendable {
  package var url: Template
  package var subprotocols: [Template] = []
  package var headers: [HeaderField] = []
  package var compression = false
  package var insecure = false
  /// Whether pings and Closes are answered without a step that says so.
  package var replies = true
  /// Whether a refusal is what the next step expects.
  package var mayBeRefused = false
}

/// How a server of ours answers.
package struct ListenStep: Sendable {
  package var address: Template
  package var name: String
  package var subprotocol: Template?
  package var headers: [HeaderField] = []
  package var compression = false
  package var replies = true
  /// The status and the body of a refusal of all connections.
  package var refusal: (status: Int, body: Template?)?
}

/// A field of a handshake, as it is written in a file.
package struct HeaderField: Sendable {
  package var name: String
  package var value: Template
}

/// What is kept in a variable.
package struct CaptureStep: Sendable {
  package enum Part: Sendable {
    /// A part of a JSON text.
    case path(JSONPath)
    /// What the first pair of parentheses matches, or all that the pattern does.
    case pattern(TextPattern)
    /// All of it.
    case whole
  }

  package var part: Part
  package var variable: String
}

/// What a Close says.
package struct ClosePayloadStep: Sendable {
  /// `nil` for a Close without a code.
  package var code: UInt16?
  package var reason: Template?
}

// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import Synchronization
import WSProtoLab

/// Prints the proxy's output, above the prompt if there is one.
final class ProxyOutput: Sendable {
  private let screen = Mutex<TerminalScreen?>(nil)

  func use(_ screen: TerminalScreen) { self.screen.withLock { $0 = screen } }

  func print(_ line: String) {
    if let screen = screen.withLock({ $0 }) { try? screen.print([line]) } else { Terminal.print(line) }
  }

  /// Prints a message for the user, on standard error unless there is a prompt.
  func printNote(_ line: String) {
    if let screen = screen.withLock({ $0 }) { try? screen.print([line]) } else { Terminal.printError(line) }
  }
}
#endif

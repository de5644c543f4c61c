// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import Synchronization
import WSProtoLab

/// What a proxy prints, above the prompt where there is one.
final class ProxyOutput: Sendable {
  private let screen = Mutex<TerminalScreen?>(nil)

  func use(_ screen: TerminalScreen) { self.screen.withLock { $0 = screen } }

  func print(_ line: String) {
    if let screen = screen.withLock({ $0 }) { try? screen.print([line]) } else { Terminal.print(line) }
  }

  /// Something for whoever is at the keyboard, or in the log.
  func printNote(_ line: String) {
    if let screen = screen.withLock({ $0 }) { try? screen.print([line]) } else { Terminal.printError(line) }
  }
}
#endif

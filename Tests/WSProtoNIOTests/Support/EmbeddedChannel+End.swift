// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOEmbedded

extension EmbeddedChannel {
  /// Closes the channel, whatever is left in it: it and its pipeline hold each other until then, and what leaks otherwise
  /// hides what the library leaks.
  func end() { _ = try? finish(acceptAlreadyClosed: true) }
}
#endif

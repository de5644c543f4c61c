// SPDX-License-Identifier: Apache-2.0

import CWSProto

/// Keeps calls of one object from nesting. Code of the caller's runs inside of calls, in callbacks; a call that such code
/// makes of the same object would find it half changed.
///
/// Not a lock: that calls come one after the other is the caller's promise (wsproto.h).
final class CallGuard {
  private var isRunning = false

  /// Runs `body`; `nil` if a call is running already.
  func run<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result? {
    if isRunning { return nil }
    isRunning = true
    defer { isRunning = false }
    return try body()
  }

  /// Runs `body`; its error, or that a call is running already, is stored at `error`, if there is a place for it.
  func attempt<Failure: Error>(
    _ error: UnsafeMutablePointer<OpaquePointer?>?,
    _ box: (Failure) -> ErrorBox,
    _ body: () throws(Failure) -> Void
  ) -> Bool {
    let done = run { WSProtoC.attempt(error, box, body) }
    if done == nil { error?.pointee = retained(ErrorBox.reentrance) }
    return done ?? false
  }
}

// SPDX-License-Identifier: Apache-2.0

import CWSProto

/// Keeps calls on one object from nesting. Calls may run callbacks; if a callback called the same object, it
/// would find it in the middle of a change.
///
/// This is not a lock: the caller must make the calls one after the other (wsproto.h).
final class CallGuard {
  private var isRunning = false

  /// Runs `body`, or returns `nil` if a call is already running.
  func run<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result? {
    if isRunning { return nil }
    isRunning = true
    defer { isRunning = false }
    return try body()
  }

  /// Runs `body`. If it throws, or a call is already running, stores the error at `error`, unless that is
  /// NULL.
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

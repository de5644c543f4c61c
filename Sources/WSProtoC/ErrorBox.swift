// SPDX-License-Identifier: Apache-2.0

public import CWSProto
import WSProto

/// `wsproto_error`
final class ErrorBox {
  let kind: Int
  var violation = WSPROTO_VIOLATION_NONE
  var code: Int32 = 0
  let message: wsproto_bytes
  var detail = wsproto_bytes()
  var eventHint: UnsafePointer<wsproto_event>?
  /// ``eventHint`` as an HTTP/2 or HTTP/3 response.
  var response: wsproto_head?
  private let arena = Arena()

  init(_ error: LocalProtocolError) {
    kind = WSPROTO_ERROR_LOCAL
    message = arena.copy(error.message)
    violation =
      switch error.violation {
      case .state: WSPROTO_VIOLATION_STATE
      case .closeCode: WSPROTO_VIOLATION_CLOSE_CODE
      case .controlPayloadTooLong: WSPROTO_VIOLATION_CONTROL_PAYLOAD_TOO_LONG
      case .messageType: WSPROTO_VIOLATION_MESSAGE_TYPE
      case .subprotocol: WSPROTO_VIOLATION_SUBPROTOCOL
      case .head: WSPROTO_VIOLATION_HEAD
      case .bodyFraming: WSPROTO_VIOLATION_BODY_FRAMING
      case .extension: WSPROTO_VIOLATION_EXTENSION
      case .reentrance: WSPROTO_VIOLATION_REENTRANCE
      case .eventsNotTaken: WSPROTO_VIOLATION_EVENTS_NOT_TAKEN
      // Can't happen here, because the output grows.
      case .outputTooSmall: WSPROTO_VIOLATION_STATE
      }
  }

  init(_ error: RemoteProtocolError) {
    kind = WSPROTO_ERROR_REMOTE
    message = arena.copy(error.message)
    if let detail = error.detail { self.detail = arena.copy(detail) }
    if let hint = error.eventHint {
      eventHint = arena.pointer(to: hint.c(in: arena) { ExtensionBox($0) })
      response = arena.head(error.response)
    }
  }

  init(_ error: ParseFailed) {
    kind = WSPROTO_ERROR_PARSE_FAILED
    message = arena.copy(error.message)
    code = Int32(error.code.rawValue)
  }

  private init(reentrance message: String) {
    kind = WSPROTO_ERROR_LOCAL
    violation = WSPROTO_VIOLATION_REENTRANCE
    self.message = arena.copy(message)
  }

  /// A callback called the object that called it.
  static var reentrance: ErrorBox {
    ErrorBox(reentrance: "a callback must not call the object that it is called by")
  }

  convenience init(_ error: ProtocolError) {
    switch error {
    case .local(let error): self.init(error)
    case .remote(let error): self.init(error)
    }
  }
}

/// Runs `body`. If it throws, stores the error at `error`, unless that is NULL.
func attempt<Failure: Error>(
  _ error: UnsafeMutablePointer<OpaquePointer?>?,
  _ box: (Failure) -> ErrorBox,
  _ body: () throws(Failure) -> Void
) -> Bool {
  do throws(Failure) {
    try body()
    return true
  } catch let failure {
    error?.pointee = retained(box(failure))
    return false
  }
}

/// `wsproto_error_kind` of wsproto.h.
@_cdecl("wsproto_error_kind")
public func errorKind(_ error: OpaquePointer) -> Int32 { Int32(object(error, as: ErrorBox.self).kind) }

/// `wsproto_error_violation` of wsproto.h.
@_cdecl("wsproto_error_violation")
public func errorViolation(_ error: OpaquePointer) -> Int32 {
  Int32(object(error, as: ErrorBox.self).violation)
}

/// `wsproto_error_code` of wsproto.h.
@_cdecl("wsproto_error_code")
public func errorCode(_ error: OpaquePointer) -> Int32 { object(error, as: ErrorBox.self).code }

/// `wsproto_error_message` of wsproto.h.
@_cdecl("wsproto_error_message")
public func errorMessage(_ error: OpaquePointer) -> wsproto_bytes {
  object(error, as: ErrorBox.self).message
}

/// `wsproto_error_detail` of wsproto.h.
@_cdecl("wsproto_error_detail")
public func errorDetail(_ error: OpaquePointer) -> wsproto_bytes { object(error, as: ErrorBox.self).detail }

/// `wsproto_error_event_hint` of wsproto.h.
@_cdecl("wsproto_error_event_hint")
public func errorEventHint(_ error: OpaquePointer) -> UnsafePointer<wsproto_event>? {
  object(error, as: ErrorBox.self).eventHint
}

/// `wsproto_error_response` of wsproto.h.
@_cdecl("wsproto_error_response")
public func errorResponse(_ error: OpaquePointer, _ response: UnsafeMutablePointer<wsproto_head>) -> Bool {
  guard let head = object(error, as: ErrorBox.self).response else { return false }
  response.pointee = head
  return true
}

/// `wsproto_error_free` of wsproto.h.
@_cdecl("wsproto_error_free")
public func errorFree(_ error: OpaquePointer?) { release(error, as: ErrorBox.self) }

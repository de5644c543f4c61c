// SPDX-License-Identifier: Apache-2.0

public import Foundation
public import WSProto

extension Bytes {
  /// A copy of `data`.
  public init(_ data: Data) {
    self.init(copying: data.bytes)
  }
}

extension Data {
  /// A copy of `bytes`.
  public init(_ bytes: Bytes) {
    self = bytes.withUnsafeBytes { Data($0) }
  }

  /// A copy of `span`, such as the payload of a ``BorrowedEvent``.
  public init(copying span: RawSpan) {
    self = span.withUnsafeBytes { Data($0) }
  }
}

extension BytesMessage {
  /// A binary message with a copy of `data`.
  public init(data: Foundation.Data, messageFinished: Bool = true, compress: Bool = true) {
    self.init(data: Bytes(data), messageFinished: messageFinished, compress: compress)
  }
}

extension Ping {
  /// A ping with a copy of `payload`, up to 125 bytes.
  public init(payload: Data) {
    self.init(payload: Bytes(payload))
  }
}

extension RejectData {
  /// A part of a body with a copy of `data`.
  public init(data: Data, bodyFinished: Bool = true) {
    self.init(data: Bytes(data), bodyFinished: bodyFinished)
  }
}

extension WebSocketEndpoint {
  /// Takes bytes from the transport with one copy; see `receiveData(_:)` of the core.
  public func receiveData(_ data: Data) throws(ProtocolError) {
    try receiveData(data.bytes)
  }

  /// Appends a binary message, or a part of one, without an intermediate copy of `data`.
  public func sendBytes(
    _ data: Data,
    messageFinished: Bool = true,
    compress: Bool = true,
    into output: inout [UInt8]
  ) throws(LocalProtocolError) {
    try sendBytes(data.bytes, messageFinished: messageFinished, compress: compress, into: &output)
  }
}

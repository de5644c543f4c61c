// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
import NIOHTTP1

// Conversions between NIOHTTP1 heads and HTTPTypes. `Host` stays a field, unlike in `NIOHTTPTypesHTTP1`.

extension HTTPFields {
  init(_ headers: HTTPHeaders) {
    self.init()
    reserveCapacity(headers.count)
    for (name, value) in headers {
      // NIO's parser only accepts tokens.
      if let name = HTTPField.Name(name) { append(HTTPField(name: name, value: value)) }
    }
  }
}

extension HTTPHeaders {
  init(_ fields: HTTPFields) { self.init(fields.map { ($0.name.rawName, $0.value) }) }
}

extension HTTPRequest {
  init(_ head: HTTPRequestHead) {
    // A placeholder if NIO accepted a method that isn't a token; the handshake refuses it, as it isn't GET.
    let method = Method(head.method.rawValue) ?? .trace
    self.init(
      method: method,
      scheme: nil,
      authority: nil,
      path: head.uri,
      headerFields: HTTPFields(head.headers)
    )
  }
}

extension HTTPResponse {
  init(_ head: HTTPResponseHead) {
    self.init(
      status: Status(code: min(max(0, Int(head.status.code)), 999)),
      headerFields: HTTPFields(head.headers)
    )
  }
}

extension HTTPResponseHead {
  init(_ response: HTTPResponse) {
    self.init(
      version: .http1_1,
      status: HTTPResponseStatus(statusCode: response.status.code),
      headers: HTTPHeaders(response.headerFields)
    )
  }
}
#endif

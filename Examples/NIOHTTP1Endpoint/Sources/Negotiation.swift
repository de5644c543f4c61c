// SPDX-License-Identifier: Apache-2.0

// All that a framework needs: its parsed request in, its own response out, and the connection that comes of it.

import HTTPTypes
import NIOHTTP1
import WSProto

func answer(_ head: HTTPRequestHead) -> (HTTPResponseHead, Connection?) {
  do {
    let negotiation = try ServerNegotiation(upgrade: HTTPRequest(head), minorVersion: head.version.minor)
    guard negotiation.request.target == "/" else {
      return (HTTPResponseHead(try negotiation.reject(RejectConnection(statusCode: 404))), nil)
    }
    let (response, connection) = try negotiation.accept(AcceptConnection(extensions: [PerMessageDeflate()]))
    return (HTTPResponseHead(response), connection)
  } catch let error as RemoteProtocolError {
    return (HTTPResponseHead(error.response), nil)
  } catch {
    return (HTTPResponseHead(version: .http1_1, status: .internalServerError), nil)
  }
}

extension HTTPRequest {
  init(_ head: HTTPRequestHead) {
    let fields = head.headers.compactMap { name, value in
      HTTPField.Name(name).map { HTTPField(name: $0, value: value) }
    }
    // Not a method that exists, if NIO has read one that is no token.
    let method = Method(head.method.rawValue) ?? .trace
    self.init(method: method, scheme: nil, authority: nil, path: head.uri, headerFields: HTTPFields(fields))
  }
}

extension HTTPResponseHead {
  init(_ response: HTTPResponse) {
    let fields = response.headerFields.map { ($0.name.rawName, $0.value) }
    self.init(
      version: .http1_1,
      status: .init(statusCode: response.status.code),
      headers: HTTPHeaders(fields)
    )
  }
}

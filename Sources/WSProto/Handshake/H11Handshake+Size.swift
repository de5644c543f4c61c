// SPDX-License-Identifier: Apache-2.0

import HTTPTypes

extension H11Handshake {
  /// The maximum number of bytes that an event of the handshake takes on the wire.
  func sizeBound(of event: Event) -> Int {
    func size(_ headers: Headers) -> Int {
      headers.reduce(0) { $0 + $1.name.rawName.utf8.count + $1.value.utf8.count + 4 }
    }
    func size(_ extensions: [any Extension]) -> Int {
      extensions.reduce(0) { sum, one in
        one.offers().reduce(sum) { sum, parameters in
          sum + 2 * ExtensionHeader(name: one.name, parameters: parameters).description.utf8.count + 4
        }
      }
    }
    // Room for the start line and the fields that every handshake has.
    let fixed = 512
    switch event {
    case .request(let request):
      return fixed + request.host.utf8.count + request.target.utf8.count + size(request.extraHeaders)
        + size(request.extensions) + request.subprotocols.reduce(0) { $0 + $1.utf8.count + 2 }
    case .acceptConnection(let accept):
      // An answer is at most as long as this package's extensions make it; custom ones get room too.
      return fixed + (accept.subprotocol?.utf8.count ?? 0) + size(accept.extraHeaders)
        + accept.extensions.count * 256 + size(accept.extensions)
    case .rejectConnection(let reject): return fixed + size(reject.headers)
    case .rejectData(let data): return data.data.count + 32
    case .textMessage, .bytesMessage, .closeConnection, .ping, .pong: return 0
    }
  }
}

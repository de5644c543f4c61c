// SPDX-License-Identifier: Apache-2.0

package import WSProto

/// Two connections joined by a wire: what one sends the other receives at once.
package struct ConnectionPair {
  package let client: Connection
  package let server: Connection

  package init(
    clientExtensions: [any Extension] = [],
    serverExtensions: [any Extension] = [],
    configuration: Configuration = Configuration()
  ) {
    client = Connection(.client, extensions: clientExtensions, configuration: configuration)
    server = Connection(.server, extensions: serverExtensions, configuration: configuration)
  }

  package func end(_ role: ConnectionType) -> Connection { role == .client ? client : server }

  /// Sends from one end; returns the events of the other.
  @discardableResult
  package func send(_ event: some EventConvertible, from role: ConnectionType) throws -> [Event] {
    let receiver = end(role.peer)
    try receiver.receiveData(end(role).send(event))
    return Array(receiver.events())
  }
}

/// Two ends of an HTTP/1.1 handshake and what comes after it, joined by a wire.
package struct WSConnectionPair {
  package let client: WSConnection
  package let server: WSConnection

  package init(configuration: Configuration = Configuration()) {
    client = WSConnection(.client, configuration: configuration)
    server = WSConnection(.server, configuration: configuration)
  }

  /// A pair that has completed the handshake.
  package static func open(
    request: Request = Request(host: "example.com", target: "/"),
    accept: AcceptConnection = AcceptConnection(),
    configuration: Configuration = Configuration()
  ) throws -> WSConnectionPair {
    let pair = WSConnectionPair(configuration: configuration)
    try pair.send(request, from: .client)
    try pair.send(accept, from: .server)
    return pair
  }

  package func end(_ role: ConnectionType) -> WSConnection { role == .client ? client : server }

  /// Sends from one end; returns the events of the other.
  @discardableResult
  package func send(_ event: some EventConvertible, from role: ConnectionType) throws -> [Event] {
    let receiver = end(role.peer)
    try receiver.receiveData(end(role).send(event))
    return Array(receiver.events())
  }
}

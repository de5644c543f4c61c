// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto

@Suite struct ConnectionTypeTests {
  @Test("the raw values are wsproto's")
  func rawValues() {
    #expect(ConnectionType.client.rawValue == 1)
    #expect(ConnectionType.server.rawValue == 2)
  }
}

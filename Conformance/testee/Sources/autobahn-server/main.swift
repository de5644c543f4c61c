// SPDX-License-Identifier: Apache-2.0

import TesteeSupport

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

let mode = option("mode").flatMap(Mode.init) ?? .whole
guard let (listener, port) = Socket.listen(option("port").flatMap(UInt16.init) ?? 0) else {
  print("cannot listen")
  exit(1)
}
print("listening \(port)")
fflush(nil)
while let socket = listener.accept() {
  onThread {
    var echo = Echo(.server, socket, mode: mode)
    echo.run()
  }
}

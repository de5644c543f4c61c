// SPDX-License-Identifier: Apache-2.0

import WSProtoLab

#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

// inspect-capture [--json] [--stats] [--no-frames] [--verdict] [--bytes N] [--chunk N] [--decode NAME] FILE|-

var arguments = InspectRun.Arguments()
var path = "-"
var chunk = 1 << 20
var rest = CommandLine.arguments.dropFirst()

func put(_ bytes: [UInt8], to descriptor: Int32) {
  var rest = bytes[...]
  while !rest.isEmpty {
    let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    if count <= 0 { exit(74) }
    rest = rest.dropFirst(count)
  }
}

func fail(_ message: String) -> Never {
  put(Array("inspect-capture: \(message)\n".utf8), to: 2)
  exit(64)
}

@MainActor func number() -> Int {
  guard let value = rest.popFirst().flatMap({ Int($0) }), value > 0 else { fail("a number is missing") }
  return value
}

while let argument = rest.popFirst() {
  switch argument {
  case "--json": arguments.json = true
  case "--stats": arguments.stats = true
  case "--no-frames": arguments.frames = false
  case "--verdict": arguments.verdictOnly = true
  case "--bytes": arguments.previewBytes = number()
  case "--chunk": chunk = number()
  case "--connection": arguments.options.connection = number()
  case "--decode":
    guard let name = rest.popFirst(), let choice = MessageDecoderChoice(named: name) else {
      fail("no such decoder")
    }
    arguments.decoder = choice
  default: path = argument
  }
}

let descriptor = path == "-" ? 0 : open(path, O_RDONLY)
if descriptor < 0 { fail("\(path) cannot be opened") }

var output: [UInt8] = []
let run = InspectRun(arguments) { line in
  output.append(contentsOf: line.utf8)
  output.append(10)
  guard output.count > 1 << 16 else { return }
  put(output, to: 1)
  output.removeAll(keepingCapacity: true)
}
var buffer = [UInt8](repeating: 0, count: chunk)
while true {
  let count = buffer.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
  if count <= 0 { break }
  if !run.receive(buffer.span.extracting(0..<count).bytes) { break }
}
let outcome = run.finish()
put(output, to: 1)
switch outcome {
case .legal: exit(0)
case .violations: exit(1)
case .unreadable(let error):
  put(Array("inspect-capture: \(error)\n".utf8), to: 2)
  exit(2)
}

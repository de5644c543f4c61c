// SPDX-License-Identifier: Apache-2.0

#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif
import WSProto
import WSProtoTestSupport

/// What can be fuzzed.
enum FuzzTarget: String, CaseIterable {
  case decode, utf8, handshake, extensions, connection, lowlevel, body, negotiation, combinations, c
  case files, segments, payloads, scenarios, proxy

  /// Inputs to begin with; the same on every machine.
  func seeds() -> [[UInt8]] {
    switch self {
    case .decode: FuzzDecode.seeds()
    case .utf8: FuzzUTF8.seeds()
    case .handshake: FuzzHandshake.seeds()
    case .extensions: FuzzExtensions.seeds()
    case .connection: FuzzConnection.seeds()
    case .lowlevel: FuzzLowLevel.seeds()
    case .body: FuzzBody.seeds()
    case .negotiation: FuzzNegotiation.seeds()
    case .combinations: FuzzCombinations.seeds()
    case .c: FuzzC.seeds()
    case .files: FuzzFiles.seeds()
    case .segments: FuzzSegments.seeds()
    case .payloads: FuzzPayloads.seeds()
    case .scenarios: FuzzScenarios.seeds()
    case .proxy: FuzzProxy.seeds()
    }
  }
}

/// Hands an input of libFuzzer's to a target.
func run(_ data: UnsafePointer<UInt8>?, _ size: Int, _ body: (inout Input) -> Void) -> Int32 {
  var input = Input(Array(UnsafeBufferPointer(start: data, count: data == nil ? 0 : size)))
  body(&input)
  return 0
}

/// Ends the process with what went wrong; libFuzzer writes the input to a file.
func disagree(_ what: String, _ details: [(String, Any)]) -> Never {
  print("DISAGREEMENT: \(what)")
  for (name, value) in details { print("  \(name): \(value)") }
  fflush(nil)
  fatalError(what)
}

/// The same, where a stream has led to something else than it should.
func disagree(_ what: String, _ setting: Any, _ stream: [UInt8], _ found: Outcome, _ expected: Outcome)
  -> Never
{
  disagree(what, [("setting", setting), ("stream", stream), ("found", found), ("expected", expected)])
}

extension Connection {
  /// Receives a piece by the reading door.
  func read(_ piece: ArraySlice<UInt8>, into collector: inout OutcomeCollector) {
    _ = receive(
      upTo: piece.count,
      reading: { room in
        room.copyBytes(from: piece)
        return piece.count
      },
      { event in collector.add(event) }
    )
  }
}

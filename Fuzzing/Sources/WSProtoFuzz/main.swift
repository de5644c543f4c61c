// SPDX-License-Identifier: Apache-2.0

import CFuzzer

#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

// WSPROTO_FUZZ_TARGET names the target, as libFuzzer takes every argument for itself; `seed FOLDER` writes the inputs
// that the target begins with.
guard let name = getenv("WSPROTO_FUZZ_TARGET"), let target = FuzzTarget(rawValue: String(cString: name))
else {
  print("WSPROTO_FUZZ_TARGET must be one of \(FuzzTarget.allCases.map(\.rawValue))")
  exit(64)
}

if CommandLine.arguments.count == 3, CommandLine.arguments[1] == "seed" {
  for (number, seed) in target.seeds().enumerated() {
    guard let file = fopen("\(CommandLine.arguments[2])/seed-\(number)", "w") else { exit(1) }
    _ = seed.withUnsafeBytes { fwrite($0.baseAddress, 1, $0.count, file) }
    fclose(file)
  }
  exit(0)
}

var argumentCount = CommandLine.argc
var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
let status =
  switch target {
  case .decode: LLVMFuzzerRunDriver(&argumentCount, &arguments) { run($0, $1, FuzzDecode.run) }
  case .utf8: LLVMFuzzerRunDriver(&argumentCount, &arguments) { run($0, $1, FuzzUTF8.run) }
  case .handshake: LLVMFuzzerRunDriver(&argumentCount, &arguments) { run($0, $1, FuzzHandshake.run) }
  case .extensions: LLVMFuzzerRunDriver(&argumentCount, &arguments) { run($0, $1, FuzzExtensions.run) }
  case .connection: LLVMFuzzerRunDriver(&argumentCount, &arguments) { run($0, $1, FuzzConnection.run) }
  case .lowlevel: LLVMFuzzerRunDriver(&argumentCount, &arguments) { run($0, $1, FuzzLowLevel.run) }
  case .body: LLVMFuzzerRunDriver(&argumentCount, &arguments) { run($0, $1, FuzzBody.run) }
  case .negotiation: LLVMFuzzerRunDriver(&argumentCount, &arguments) { run($0, $1, FuzzNegotiation.run) }
  case .combinations: LLVMFuzzerRunDriver(&argumentCount, &arguments) { run($0, $1, FuzzCombinations.run) }
  case .c: LLVMFuzzerRunDriver(&argumentCount, &arguments) { run($0, $1, FuzzC.run) }
  case .files: LLVMFuzzerRunDriver(&argumentCount, &arguments) { run($0, $1, FuzzFiles.run) }
  case .segments: LLVMFuzzerRunDriver(&argumentCount, &arguments) { run($0, $1, FuzzSegments.run) }
  case .payloads: LLVMFuzzerRunDriver(&argumentCount, &arguments) { run($0, $1, FuzzPayloads.run) }
  case .scenarios: LLVMFuzzerRunDriver(&argumentCount, &arguments) { run($0, $1, FuzzScenarios.run) }
  case .proxy: LLVMFuzzerRunDriver(&argumentCount, &arguments) { run($0, $1, FuzzProxy.run) }
  }
exit(status)

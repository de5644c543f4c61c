// SPDX-License-Identifier: Apache-2.0

/// Prints observations according to the arguments of `inspect`, and remembers whether a rule was broken.
final class ObservationPrinter {
  private let arguments: InspectRun.Arguments
  private let output: (String) -> Void
  private var text = TextRenderer()
  private var json = JSONRenderer()
  private var statistics = Statistics()
  private(set) var hasViolation = false

  init(_ arguments: InspectRun.Arguments, _ output: @escaping (String) -> Void) {
    self.arguments = arguments
    self.output = output
    text.showsFrames = arguments.frames
    text.decoder = arguments.decoder
    json.decoder = arguments.decoder
    if let shown = arguments.previewBytes {
      text.previewBytes = max(0, shown)
      json.previewBytes = max(0, shown)
    }
  }

  func take(_ observation: Observation) {
    if case .finding(let finding) = observation.content, finding.severity == .violation {
      hasViolation = true
    }
    if arguments.stats { return statistics.add(observation) }
    switch observation.content {
    case .frame where arguments.verdictOnly || !arguments.frames: return
    case .message where arguments.verdictOnly: return
    default: break
    }
    if arguments.json { return output(json.line(observation)) }
    for line in text.lines(observation) { output(line) }
  }

  func finish() {
    guard arguments.stats else { return }
    if arguments.json { return output(statistics.json) }
    for line in statistics.lines { output(line) }
  }
}

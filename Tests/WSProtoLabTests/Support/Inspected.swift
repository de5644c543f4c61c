// SPDX-License-Identifier: Apache-2.0

import WSProto

@testable import WSProtoLab

/// What an inspection has told of a file.
struct Inspected {
  private(set) var observations: [Observation] = []
  private(set) var error: CaptureError?

  /// Reads a file in pieces of `piece` bytes; 0 for the whole at once.
  init(_ file: [UInt8], piece: Int = 0, options: InspectionOptions = InspectionOptions()) {
    let told = Told()
    let inspection = Inspection(options: options) { told.observations.append($0) }
    do throws(CaptureError) {
      var rest = file[...]
      while !rest.isEmpty {
        let part = rest.prefix(piece == 0 ? rest.count : piece)
        rest = rest.dropFirst(part.count)
        try inspection.receive(part.span.bytes)
      }
      try inspection.finish()
    } catch {
      self.error = error
      try? inspection.finish()
    }
    observations = told.observations
  }

  /// Reads the bytes of one direction.
  init(raw bytes: [UInt8], from sender: ConnectionType? = nil, piece: Int = 0) {
    var options = InspectionOptions()
    options.format = .raw
    options.sender = sender
    self.init(bytes, piece: piece, options: options)
  }

  private final class Told { var observations: [Observation] = [] }

  var findings: [Finding] {
    observations.compactMap { if case .finding(let one) = $0.content { one } else { nil } }
  }
  var violations: [Finding] { findings.filter { $0.severity == .violation } }
  var rules: [String] { findings.map(\.rule) }
  var frames: [FrameRecord] {
    observations.compactMap { if case .frame(let one) = $0.content { one } else { nil } }
  }
  var openings: [ConnectionOpening] {
    observations.compactMap { if case .opened(let one) = $0.content { one } else { nil } }
  }
  var closings: [ConnectionSummary] {
    observations.compactMap { if case .closed(let one) = $0.content { one } else { nil } }
  }

  func messages(from direction: Direction? = nil) -> [MessageRecord] {
    observations.compactMap { observation in
      guard direction == nil || observation.direction == direction else { return nil }
      return if case .message(let one) = observation.content { one } else { nil }
    }
  }

  func texts(from direction: Direction? = nil) -> [String] {
    messages(from: direction).map { String(decoding: $0.content, as: UTF8.self) }
  }

  /// Everything told, as JSON lines.
  var lines: [String] {
    var renderer = JSONRenderer()
    return observations.map { renderer.line($0) }
  }
}

// SPDX-License-Identifier: Apache-2.0

/// The command `wsproto inspect`, without the reading and writing: arguments as a value, bytes by a call, lines by a closure.
///
/// ```swift
/// import WSProtoLab
///
/// let run = InspectRun { print($0) }
/// run.receive(bytes.span.bytes)
/// if case .violations = run.finish() { print("a rule is broken") }
/// ```
public final class InspectRun {
  /// What the command is told.
  public struct Arguments: Sendable {
    /// What to keep of the conversations.
    public var options = InspectionOptions()
    /// JSON lines in place of text.
    public var json = false
    /// Statistics in place of the conversations.
    public var stats = false
    /// Whether frames are shown, not only messages.
    public var frames = true
    /// Only handshakes and findings, not frames and messages.
    public var verdictOnly = false
    /// How many bytes of a payload are shown; `nil` for the default of the form of the output.
    public var previewBytes: Int?
    /// Decodes what runs on top; `nil` shows the bytes only.
    public var decoder: MessageDecoderChoice? = .bySubprotocol

    /// The defaults.
    public init() {}

    /// The options, extended to keep as much of each payload as is shown.
    var inspectionOptions: InspectionOptions {
      var options = options
      if let previewBytes {
        options.framePreviewBytes = max(0, previewBytes)
        options.messageBytes = max(options.messageBytes, previewBytes)
      }
      return options
    }
  }

  /// How a run has ended.
  public enum Outcome: Sendable {
    /// The file was read to its end, and no rule is broken.
    case legal
    /// The file was read to its end; at least one ``Finding`` is a violation.
    case violations
    /// The file could not be read to its end. What was shown before is right.
    case unreadable(CaptureError)
  }

  private let printer: ObservationPrinter
  private let inspection: Inspection
  private var failure: CaptureError?

  /// A run.
  ///
  /// - Parameters:
  ///   - arguments: what the command is told.
  ///   - output: called with each line to write, without its end.
  public init(_ arguments: Arguments = Arguments(), output: @escaping (String) -> Void) {
    let printer = ObservationPrinter(arguments, output)
    self.printer = printer
    inspection = Inspection(options: arguments.inspectionOptions) { printer.take($0) }
  }

  /// Takes the next bytes of the file. Returns whether it makes sense to pass more: `false` after an error.
  @discardableResult
  public func receive(_ bytes: RawSpan) -> Bool {
    guard failure == nil else { return false }
    do throws(CaptureError) {
      try inspection.receive(bytes)
    } catch {
      failure = error
    }
    return failure == nil
  }

  /// The file has ended, or ``receive(_:)`` has returned `false`. Call it once.
  public func finish() -> Outcome {
    do throws(CaptureError) {
      try inspection.finish()
    } catch {
      failure = failure ?? error
    }
    printer.finish()
    if let failure { return .unreadable(failure) }
    return printer.hasViolation ? .violations : .legal
  }
}

// SPDX-License-Identifier: Apache-2.0

internal import CAllocationCounter

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#else
internal import Darwin
#endif

/// Seconds of processor time that this process has used.
public func processSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}

/// Heap allocations of this process so far; `nil` where they are not counted (anything but glibc).
public func allocationsSoFar() -> UInt64? { wsb_allocations_are_counted() ? wsb_allocations() : nil }

/// Keeps the optimiser from dropping what led to `value`.
@inline(never)
public func blackHole(_ value: UInt64) {
  if value == .max { blackHoleCount &+= 1 }
}
nonisolated(unsafe) private var blackHoleCount = 0

/// Heap bytes that `body` leaves allocated; `nil` where they are not counted.
public func heapBytes(_ body: () throws -> Void) rethrows -> Int? {
  wsb_count_bytes(true)
  try body()
  let bytes = Int(wsb_live_bytes())
  wsb_count_bytes(false)
  return wsb_allocations_are_counted() ? bytes : nil
}

/// Runs a contender over an input and prints what it cost.
public struct Measurement {
  /// The stack.
  public var peer: String
  /// Its version, where it is known.
  public var version: String
  /// decode, encode, compress, decompress, handshake.
  public var operation: String
  /// The side that is measured.
  public var role = "server"
  /// The way in which the stack is used.
  public var api: String
  /// How the stream was cut into reads.
  public var chunk: ReadSize = .bytes(65536)
  /// Processor seconds to measure for, at least.
  public var minSeconds = 0.5
  /// Exactly so many passes after the one that warms up, whatever they take; `nil`: as many as fill `minSeconds`.
  public var exactPasses: Int?
  /// Whether the report is a JSON object on one line.
  public var json = false
  /// What every pass must find; `nil`: only that all passes agree.
  public var expected: Totals?

  /// A measurement with the defaults: server, 64 KiB a read, half a second, text.
  public init(peer: String, version: String, operation: String, api: String) {
    self.peer = peer
    self.version = version
    self.operation = operation
    self.api = api
  }

  /// One pass to warm up, then passes until `minSeconds` of processor time are spent, or `exactPasses`.
  public func run(_ pass: (inout Totals) throws -> Void) throws {
    var first = Totals()
    try pass(&first)
    guard first.messages > 0 else { throw BenchError("no message came out") }
    if let expected {
      guard first.messages == expected.messages, first.checksum == expected.checksum else {
        throw BenchError(
          "\(first.messages) messages with checksum \(first.checksum), "
            + "the input has \(expected.messages) with \(expected.checksum)"
        )
      }
    }
    var passes = 0
    var elapsed = 0.0
    let allocationsBefore = wsb_allocations()
    let start = processSeconds()
    repeat {
      var totals = Totals()
      try pass(&totals)
      guard totals == first else { throw BenchError("two passes differ") }
      passes += 1
      elapsed = processSeconds() - start
    } while exactPasses.map { passes < $0 } ?? (elapsed < minSeconds)
    let allocations = wsb_allocations() - allocationsBefore
    let messages = Double(passes) * Double(first.messages)
    report(
      first,
      passes: passes,
      elapsed: elapsed,
      allocations: wsb_allocations_are_counted() ? Double(allocations) / messages : nil
    )
  }

  private func report(_ totals: Totals, passes: Int, elapsed: Double, allocations: Double?) {
    let nanoseconds = elapsed * 1e9 / (Double(passes) * Double(totals.messages))
    let rate = Double(totals.payloadBytes) * Double(passes) / elapsed / 1e9
    guard json else {
      print(
        "\(peer) \(operation) (\(role), \(api)): \(rounded(nanoseconds, 1)) ns a message, \(rounded(rate, 3)) GB/s, "
          + "\(allocations.map { "\(rounded($0, 4)) allocations a message, " } ?? "")"
          + "\(totals.messages) messages, checksum \(totals.checksum)\(expected == nil ? "" : " (verified)")"
      )
      return
    }
    let chunkBytes = if case .bytes(let count) = chunk { count } else { 0 }
    print(
      """
      {"peer":"\(peer)","version":"\(version)","operation":"\(operation)","role":"\(role)","api":"\(api)",\
      "chunk":\(chunkBytes),"messages":\(totals.messages),"payload_bytes":\(totals.payloadBytes),\
      "output_bytes":\(totals.outputBytes),"passes":\(passes),"cpu_seconds":\(rounded(elapsed, 6)),\
      "ns_per_message":\(rounded(nanoseconds, 3)),"gb_per_s":\(rounded(rate, 4)),\
      "allocations_per_message":\(allocations.map { "\(rounded($0, 6))" } ?? "null"),\
      "checksum":"\(totals.checksum)","checksum_verified":\(expected != nil)}
      """
    )
  }
}

private func rounded(_ value: Double, _ places: Int) -> Double {
  let scale = pow(10, Double(places))
  return (value * scale).rounded() / scale
}

/// An opening handshake as Chrome sends it, and the accept value that answers it.
public enum ChromeRequest {
  /// The request.
  public static let text =
    "GET /chat?room=7 HTTP/1.1\r\n"
    + "Host: server.example.com:8080\r\n"
    + "Connection: Upgrade\r\n"
    + "Pragma: no-cache\r\n"
    + "Cache-Control: no-cache\r\n"
    + "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    + "Chrome/126.0.0.0 Safari/537.36\r\n"
    + "Upgrade: websocket\r\n"
    + "Origin: http://server.example.com:8080\r\n"
    + "Sec-WebSocket-Version: 13\r\n"
    + "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    + "Accept-Language: en-US,en;q=0.9\r\n"
    + "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n"
    + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    + "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
    + "\r\n"
  /// The Sec-WebSocket-Accept value of the answer.
  public static let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
}

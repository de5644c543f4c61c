// SPDX-License-Identifier: Apache-2.0

/// The bytes that hexadecimal digits stand for, spaces between them aside; `nil` if it isn't that.
package func bytes(hex text: some StringProtocol) -> [UInt8]? {
  var result: [UInt8] = []
  var high: UInt8?
  for character in text {
    if character == " " { continue }
    guard character.isASCII, let digit = character.hexDigitValue else { return nil }
    if let first = high {
      result.append(first << 4 | UInt8(digit))
      high = nil
    } else {
      high = UInt8(digit)
    }
  }
  return high == nil ? result : nil
}

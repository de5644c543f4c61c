// SPDX-License-Identifier: Apache-2.0

/// The extensions in this package: for each name, a function that creates one with its default settings.
///
/// To offer all of them: `supportedExtensions.values.map { $0() }`.
public let supportedExtensions: [String: @Sendable () -> any Extension] = [
  PerMessageDeflate.name: { PerMessageDeflate() }
]

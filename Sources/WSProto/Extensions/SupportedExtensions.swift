// SPDX-License-Identifier: Apache-2.0

/// The extensions that come with this package: by name, a function that makes one with its default settings.
///
/// To look a name up, to go over all of them, or to offer everything:
/// `supportedExtensions.values.map { $0() }`.
public let supportedExtensions: [String: @Sendable () -> any Extension] = [
  PerMessageDeflate.name: { PerMessageDeflate() }
]

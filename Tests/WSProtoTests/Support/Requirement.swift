// SPDX-License-Identifier: Apache-2.0

import Testing

/// Names the rows of `Conformance/requirements.tsv` that a test proves.
///
/// `Conformance/matrix` reads the markers from the sources, and fails for a row without a test and for a marker
/// without a row. While tests run it does nothing.
struct Requirement: TestTrait {
  var ids: [String]
}

extension Trait where Self == Requirement {
  /// The test proves these rows: it fails when one of them doesn't hold.
  static func requirement(_ ids: String...) -> Self { Requirement(ids: ids) }
}

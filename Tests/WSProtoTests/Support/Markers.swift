// SPDX-License-Identifier: Apache-2.0

import Testing

/// Names the rows that a test proves: the test must fail if one of them doesn't hold.
///
/// `Conformance/matrix` reads the markers from the sources. They do nothing while tests run. Another test
/// target uses this file through a symbolic link.
struct Marker: TestTrait {
  var rows: [String]
}

extension Trait where Self == Marker {
  /// Rows of `Conformance/requirements.tsv`: rules of the RFCs.
  static func requirement(_ ids: String...) -> Self { Marker(rows: ids) }

  /// Rows of `Conformance/faults.tsv`: faults that were found and must not come back.
  static func fault(_ ids: String...) -> Self { Marker(rows: ids) }

  /// Rows of `Conformance/threats.tsv`: what hostile peers do.
  static func threat(_ numbers: Int...) -> Self { Marker(rows: numbers.map(String.init)) }
}

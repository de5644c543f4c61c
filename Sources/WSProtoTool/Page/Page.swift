// SPDX-License-Identifier: Apache-2.0

#if Tool
/// The page that `serve` shows at `/`: one HTML file, which is part of the program.
package enum Page {
  package static let html = String(decoding: PackageResources.page_html, as: UTF8.self)

  /// The page runs its own script and its own style, and connects to WebSockets; nothing else is loaded.
  package static let contentSecurityPolicy =
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src ws: wss: 'self'; "
    + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}
#endif

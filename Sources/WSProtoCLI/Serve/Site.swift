// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import Foundation
import HTTPTypes
import NIOCore
import WSProtoLab
import WSProtoNIO
import WSProtoTool

/// What `serve` answers to ordinary requests: the page at `/`, or the files of a folder.
struct Site: Sendable {
  /// A larger file is not served: an answer is in memory as a whole.
  static let maxFileBytes = 64 << 20

  private let root: String?

  init(directory: String?) {
    root = directory.map { URL(fileURLWithPath: $0).resolvingSymlinksInPath().path }
  }

  func answer(_ request: HTTPServerRequest) async -> HTTPServerResponse {
    guard request.head.method == .get || request.head.method == .head else {
      return HTTPServerResponse(status: .methodNotAllowed, headerFields: [.allow: "GET, HEAD"])
    }
    let path = request.head.path?.prefix { $0 != "?" } ?? "/"
    guard let root else { return path == "/" ? page : Self.notFound }
    return file(String(path), in: root)
  }

  private var page: HTTPServerResponse {
    var response = HTTPServerResponse.html(Page.html)
    response.headerFields[.contentSecurityPolicy] = Page.contentSecurityPolicy
    response.headerFields[.xContentTypeOptions] = "nosniff"
    return response
  }

  private static let notFound = HTTPServerResponse.text("not found\n", status: .notFound)

  private func file(_ path: String, in root: String) -> HTTPServerResponse {
    // No part of a path leads out of the folder, or to what is hidden; a link must not either.
    guard let decoded = path.removingPercentEncoding, !decoded.contains("\0"),
      !decoded.split(separator: "/").contains(where: { $0.first == "." })
    else { return Self.notFound }
    var url = URL(fileURLWithPath: root + "/" + decoded)
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder) else {
      return Self.notFound
    }
    if isFolder.boolValue {
      guard decoded.hasSuffix("/") else {
        // With two slashes at its beginning, it would name another host (RFC 3986 §4.2).
        let location = "/" + path.drop { $0 == "/" } + "/"
        return HTTPServerResponse(status: .movedPermanently, headerFields: [.location: location])
      }
      url.appendPathComponent("index.html")
    }
    let resolved = url.resolvingSymlinksInPath().path
    guard resolved.hasPrefix(root + "/"),
      let attributes = try? FileManager.default.attributesOfItem(atPath: resolved),
      attributes[.type] as? FileAttributeType == .typeRegular,
      let size = attributes[.size] as? Int
    else { return Self.notFound }
    guard size <= Self.maxFileBytes else {
      return .text("larger than \(SizeText.format(Double(Self.maxFileBytes)))\n", status: .serviceUnavailable)
    }
    guard let data = FileManager.default.contents(atPath: resolved) else { return Self.notFound }
    return HTTPServerResponse(
      headerFields: [.contentType: Self.type(of: resolved), .xContentTypeOptions: "nosniff"],
      body: ByteBuffer(bytes: data)
    )
  }

  private static func type(of path: String) -> String {
    switch path.split(separator: ".").last?.lowercased() {
    case "html", "htm": "text/html; charset=utf-8"
    case "css": "text/css; charset=utf-8"
    case "js", "mjs": "text/javascript; charset=utf-8"
    case "json", "map": "application/json"
    case "txt", "md": "text/plain; charset=utf-8"
    case "svg": "image/svg+xml"
    case "png": "image/png"
    case "jpg", "jpeg": "image/jpeg"
    case "gif": "image/gif"
    case "webp": "image/webp"
    case "ico": "image/x-icon"
    case "wasm": "application/wasm"
    case "woff2": "font/woff2"
    default: "application/octet-stream"
    }
  }
}
#endif

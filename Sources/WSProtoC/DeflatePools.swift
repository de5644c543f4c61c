// SPDX-License-Identifier: Apache-2.0

import CWSProto
import WSProto

/// `wsproto_deflate_pool_new` of wsproto.h.
@_cdecl("wsproto_deflate_pool_new")
public func deflatePoolNew(_ capacity: Int) -> OpaquePointer {
  // Above the range of Swift's signed sizes: no limit.
  retained(DeflatePool(capacity: capacity < 0 ? .max : capacity))
}

/// `wsproto_deflate_pool_free` of wsproto.h.
@_cdecl("wsproto_deflate_pool_free")
public func deflatePoolFree(_ pool: OpaquePointer?) { release(pool, as: DeflatePool.self) }

/// `wsproto_deflate_pool_idle` of wsproto.h.
@_cdecl("wsproto_deflate_pool_idle")
public func deflatePoolIdle(
  _ pool: OpaquePointer,
  _ outbound: UnsafeMutablePointer<Int>?,
  _ inbound: UnsafeMutablePointer<Int>?
) {
  let idle = object(pool, as: DeflatePool.self).idleContexts
  outbound?.pointee = idle.outbound
  inbound?.pointee = idle.inbound
}

/// `wsproto_endpoint_release_contexts` of wsproto.h.
@_cdecl("wsproto_endpoint_release_contexts")
public func endpointReleaseContexts(_ endpoint: OpaquePointer) -> Bool {
  object(endpoint, as: Endpoint.self).connection?.releaseContexts() ?? true
}

/// The pool that a configuration names.
func pool(_ configuration: UnsafePointer<wsproto_configuration>?) -> DeflatePool? {
  (configuration?.pointee.deflate_pool).map { object($0, as: DeflatePool.self) }
}

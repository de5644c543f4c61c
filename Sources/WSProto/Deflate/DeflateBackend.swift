// SPDX-License-Identifier: Apache-2.0

// What permessage-deflate compresses and inflates with: the package trait ISAL decides, when the library is built.
#if ISAL
  package typealias Deflater = ISALDeflateStream
  package typealias Inflater = ISALInflateStream
#else
  package typealias Deflater = DeflateStream
  package typealias Inflater = InflateStream
#endif

// SPDX-License-Identifier: Apache-2.0

#if Tool
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Ends the process, from any thread: `exit`, by a name that the commands' own `exit` doesn't hide.
func leaveProcess(_ status: Int32) -> Never { exit(status) }
#endif

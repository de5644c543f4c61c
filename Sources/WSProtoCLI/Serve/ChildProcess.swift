// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import Foundation
import Synchronization
import WSProtoTool

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// A shell command that runs beside, with pipes to its standard input and from its standard output.
final class ChildProcess: Sendable {
  let id: pid_t
  /// To its standard input. The caller's to close.
  let input: Int32
  /// From its standard output. The caller's to close.
  let output: Int32
  /// Once it has ended and was waited for: its status, or 128 and the signal that has ended it.
  private let status = Mutex<Int32?>(nil)

  private init(id: pid_t, input: Int32, output: Int32) {
    self.id = id
    self.input = input
    self.output = output
  }

  /// - Parameter environment: variables besides those of this process.
  static func start(_ command: String, environment: [String: String]) throws(ToolFailure) -> ChildProcess {
    let toChild = try pipe()
    let fromChild: (reading: Int32, writing: Int32)
    do throws(ToolFailure) {
      fromChild = try pipe()
    } catch {
      close(toChild.reading)
      close(toChild.writing)
      throw error
    }
    #if canImport(Darwin)
    var actions: posix_spawn_file_actions_t?
    var attributes: posix_spawnattr_t?
    #else
    var actions = posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    #endif
    posix_spawn_file_actions_init(&actions)
    posix_spawnattr_init(&attributes)
    defer {
      posix_spawn_file_actions_destroy(&actions)
      posix_spawnattr_destroy(&attributes)
    }
    posix_spawn_file_actions_adddup2(&actions, toChild.reading, 0)
    posix_spawn_file_actions_adddup2(&actions, fromChild.writing, 1)
    keepDescriptorsBack(&actions)
    // Its signals are its own; a group of its own, so that all of it can be ended.
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    var standard = sigset_t()
    sigemptyset(&standard)
    sigaddset(&standard, SIGPIPE)
    posix_spawnattr_setsigdefault(&attributes, &standard)
    posix_spawnattr_setpgroup(&attributes, 0)
    var flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP
    #if canImport(Darwin)
    flags |= POSIX_SPAWN_CLOEXEC_DEFAULT
    #endif
    posix_spawnattr_setflags(&attributes, Int16(flags))

    let variables = Terminal.environment.merging(environment) { $1 }.map { "\($0.key)=\($0.value)" }
    let arguments = cStrings(["/bin/sh", "-c", command])
    let environmentPointers = cStrings(variables)
    defer { for pointer in arguments + environmentPointers { free(pointer) } }
    var id = pid_t()
    let code = posix_spawn(&id, "/bin/sh", &actions, &attributes, arguments, environmentPointers)
    close(toChild.reading)
    close(fromChild.writing)
    guard code == 0 else {
      close(toChild.writing)
      close(fromChild.reading)
      throw ToolFailure(.failure, "/bin/sh cannot be run: \(String(cString: strerror(code)))")
    }
    return ChildProcess(id: id, input: toChild.writing, output: fromChild.reading)
  }

  /// Closes both pipes, where nobody else has taken them.
  func closePipes() {
    close(input)
    close(output)
  }

  /// Closes the pipe to its standard input, where nobody else has taken it.
  func closeInput() { close(input) }

  /// Waits for its end, for a while: then it is asked to end, then it is ended.
  ///
  /// - Returns: its status; `nil` where it did not end by itself.
  @discardableResult
  func end() async -> Int32? {
    // Not cut short where the connection's task is cancelled: it would be left behind.
    await Task { await waitForEnd() }.value
  }

  private func waitForEnd() async -> Int32? {
    for step in 0... {
      if let status = reap() { return step > 100 ? nil : status }
      switch step {
      case 100: kill(-id, SIGTERM)
      case 300: kill(-id, SIGKILL)
      default: break
      }
      try? await Task.sleep(for: .milliseconds(10))
    }
    return nil
  }

  private func reap() -> Int32? {
    status.withLock { status in
      if let status { return status }
      var word: Int32 = 0
      guard waitpid(id, &word, WNOHANG) == id else { return nil }
      let signal = word & 0x7F
      status = signal == 0 ? (word >> 8) & 0xFF : 128 + signal
      return status
    }
  }

  /// Copies for C, with a null pointer behind the last one; the caller's to free.
  private static func cStrings(_ texts: [String]) -> [UnsafeMutablePointer<CChar>?] {
    var copies: [UnsafeMutablePointer<CChar>?] = texts.map { text in strdup(text) }
    copies.append(nil)
    return copies
  }

  /// Lets a child have the three standard streams only, once the first two are its pipes.
  ///
  /// The server's sockets are inherited unless something is done about it. A command that has them can listen on the
  /// server's port when the server has ended, and read what others send; a connection that the server closes stays open
  /// as long as the command runs.
  #if canImport(Darwin)
  private static func keepDescriptorsBack(_ actions: inout posix_spawn_file_actions_t?) {
    // Those that are named here are inherited, see the flags; the others are not.
    posix_spawn_file_actions_addinherit_np(&actions, 2)
  }
  #else
  private static func keepDescriptorsBack(_ actions: inout posix_spawn_file_actions_t) {
    typealias CloseFrom = @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32
    // Newer than the headers that Swift sees: glibc 2.34.
    if let function = dlsym(nil, "posix_spawn_file_actions_addclosefrom_np") {
      _ = unsafeBitCast(function, to: CloseFrom.self)(&actions, 3)
      return
    }
    // Those that there are now.
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
    for descriptor in names.compactMap({ Int32($0) }) where descriptor > 2 {
      posix_spawn_file_actions_addclose(&actions, descriptor)
    }
  }
  #endif

  /// A pipe that other children don't inherit.
  private static func pipe() throws(ToolFailure) -> (reading: Int32, writing: Int32) {
    var ends: [Int32] = [-1, -1]
    guard systemPipe(&ends) == 0 else {
      throw ToolFailure(.failure, "a pipe cannot be made: \(String(cString: strerror(errno)))")
    }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    return (ends[0], ends[1])
  }
}

private func systemPipe(_ ends: UnsafeMutablePointer<Int32>) -> Int32 { pipe(ends) }
#endif

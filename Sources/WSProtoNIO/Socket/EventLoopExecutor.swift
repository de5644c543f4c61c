// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore

/// Runs the tasks of a socket on its connection's event loop, so that no message costs a change of threads.
///
/// Tasks that a read loop has woken run at its end: what they send goes out with the read loop's own flush.
final class EventLoopExecutor: TaskExecutor {
  private let eventLoop: any EventLoop
  /// On the event loop only.
  private nonisolated(unsafe) var jobs: [UnownedJob] = []
  private nonisolated(unsafe) var isScheduled = false
  /// `runAll` is about to be called.
  private nonisolated(unsafe) var isHeld = false
  /// How many jobs may run before the event loop looks at its descriptors again.
  private nonisolated(unsafe) var jobsLeft = jobsATurn

  /// An event loop runs what it is given before it looks at its descriptors: tasks that yield for ever, or send without
  /// ever waiting, would keep it from that.
  private static let jobsATurn = 128
  private static let pause = TimeAmount.microseconds(10)

  init(_ eventLoop: any EventLoop) { self.eventLoop = eventLoop }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    guard eventLoop.inEventLoop else { return eventLoop.execute { self.run(job) } }
    jobs.append(job)
    if !isHeld { schedule() }
  }

  private func run(_ job: UnownedJob) { job.runSynchronously(on: asUnownedTaskExecutor()) }

  private func schedule() {
    guard !isScheduled else { return }
    isScheduled = true
    guard jobsLeft > 0 else {
      eventLoop.assumeIsolated().scheduleTask(in: Self.pause) {
        self.jobsLeft = Self.jobsATurn
        self.runScheduled()
      }
      return
    }
    // Not at once: whoever has woken the task is in the midst of something.
    eventLoop.execute { self.runScheduled() }
  }

  private func runScheduled() {
    isScheduled = false
    runAll()
  }

  /// A read loop is under way on the event loop; `runAll` or `release` ends it.
  func hold() {
    isHeld = true
    jobsLeft = Self.jobsATurn
  }

  /// Runs what is there soon.
  func release() {
    isHeld = false
    if !jobs.isEmpty { schedule() }
  }

  /// Runs what is there, and what that wakes, for a while. On the event loop.
  func runAll() {
    isHeld = true
    while !jobs.isEmpty, jobsLeft > 0 {
      let now = jobs
      jobs = []
      jobsLeft -= now.count
      for job in now { run(job) }
    }
    isHeld = false
    if !jobs.isEmpty { schedule() }
  }
}
#endif

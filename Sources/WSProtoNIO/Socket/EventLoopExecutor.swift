// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore

/// Runs the tasks of a socket on its connection's event loop, so that messages need no thread switch.
///
/// Tasks that a read loop wakes run at its end, so that what they send goes out with the read loop's own flush.
final class EventLoopExecutor: TaskExecutor {
  private let eventLoop: any EventLoop
  /// Used on the event loop only.
  private nonisolated(unsafe) var jobs: [UnownedJob] = []
  private nonisolated(unsafe) var isScheduled = false
  /// Whether `runAll` is about to be called.
  private nonisolated(unsafe) var isHeld = false
  /// The number of jobs that may run before the event loop polls its descriptors again.
  private nonisolated(unsafe) var jobsLeft = jobsATurn

  /// An event loop runs the tasks it is given before it polls its descriptors. Tasks that yield forever, or send
  /// without ever waiting, would keep it from polling.
  private static let jobsATurn = 128
  /// Longer than an event loop takes from one task to the next, on a slow machine too: it doesn't poll while a task is
  /// due.
  private static let pause = TimeAmount.microseconds(100)

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
    // Not immediately: the code that woke the task is still running.
    eventLoop.execute { self.runScheduled() }
  }

  private func runScheduled() {
    isScheduled = false
    runAll()
  }

  /// Holds jobs back during a read loop, until `runAll` or `release`.
  func hold() {
    isHeld = true
    jobsLeft = Self.jobsATurn
  }

  /// Ends the hold, and schedules the jobs that were held back.
  func release() {
    isHeld = false
    if !jobs.isEmpty { schedule() }
  }

  /// Runs the jobs that are there and those that they enqueue, up to a limit. Call it on the event loop.
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

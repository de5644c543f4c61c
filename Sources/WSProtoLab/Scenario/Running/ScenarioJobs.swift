// SPDX-License-Identifier: Apache-2.0

/// Runs the tests of files: the files of a few at once, the tests of a file one after the other.
package enum ScenarioJobs {
  /// Runs all tests, and calls `each` with the results in the order of the files.
  ///
  /// - Parameter jobs: how many files run at once; at least 1.
  package static func run(
    _ files: [ScenarioFile],
    on network: any ScenarioNetwork,
    _ options: ScenarioRunner.Options,
    jobs: Int,
    each: (ScenarioResult) -> Void
  ) async {
    await withTaskGroup(of: (Int, [ScenarioResult]).self) { group in
      var done: [Int: [ScenarioResult]] = [:]
      var started = 0
      var reported = 0
      func start() {
        guard started < files.count else { return }
        let index = started
        started += 1
        let file = files[index]
        group.addTask {
          var results: [ScenarioResult] = []
          for test in file.tests {
            results.append(await ScenarioRunner.run(test, of: file, on: network, options))
          }
          return (index, results)
        }
      }
      for _ in 0..<max(1, jobs) { start() }
      while let (index, results) = await group.next() {
        done[index] = results
        start()
        while let results = done.removeValue(forKey: reported) {
          for result in results { each(result) }
          reported += 1
        }
      }
    }
  }
}

// SPDX-License-Identifier: Apache-2.0

@testable import WSProto

/// Every interleaving of two ends and two channels, to closure, breadth first: the first way to a fault is a shortest.
struct ModelCheck {
  let rules: ModelRules
  /// The worlds that were reached, in order.
  private(set) var worlds: [UInt64] = []
  private(set) var transitions = 0
  /// The property that does not hold, and the steps that show it.
  private(set) var finding: (fault: ModelFault, trace: [ModelStep])?

  private var indices: [UInt64: Int32] = [:]
  /// From where, and by which step, each world was reached first.
  private var origins: [(from: Int32, step: ModelStep)] = []
  /// Orderly steps, by the world that they lead to.
  private var orderly: [(from: Int32, to: Int32)] = []

  init(_ rules: ModelRules) {
    self.rules = rules
    explore()
    if finding == nil { checkWayToClosed() }
  }

  /// The steps from the start to the world of this index.
  func trace(to index: Int) -> [ModelStep] {
    var steps: [ModelStep] = []
    var index = Int32(index)
    while index > 0 {
      steps.append(origins[Int(index)].step)
      index = origins[Int(index)].from
    }
    return steps.reversed()
  }

  private mutating func reach(_ world: UInt64, from index: Int32, by step: ModelStep) -> Int32 {
    if let known = indices[world] { return known }
    let new = Int32(worlds.count)
    indices[world] = new
    worlds.append(world)
    origins.append((index, step))
    return new
  }

  private mutating func explore() {
    _ = reach(ModelWorld().packed, from: 0, by: .finish(.client))
    var index = 0
    while index < worlds.count {
      let world = ModelWorld(packed: worlds[index])
      for step in world.steps(rules) {
        var next = world
        transitions += 1
        do throws(ModelFault) {
          try next.apply(step, rules)
        } catch {
          finding = (error, trace(to: index) + [step])
          return
        }
        let reached = reach(next.packed, from: Int32(index), by: step)
        if step.isOrderly { orderly.append((Int32(index), reached)) }
      }
      index += 1
    }
  }

  /// From every world orderly steps lead to two closed ends.
  private mutating func checkWayToClosed() {
    // The sources of the steps into each world lie together, from `starts[world]` on.
    var starts = [Int](repeating: 0, count: worlds.count + 1)
    for edge in orderly { starts[Int(edge.to) + 1] += 1 }
    for index in worlds.indices { starts[index + 1] += starts[index] }
    var sources = [Int32](repeating: 0, count: orderly.count)
    var filled = starts
    for edge in orderly {
      sources[filled[Int(edge.to)]] = edge.from
      filled[Int(edge.to)] += 1
    }
    var leadsThere = [Bool](repeating: false, count: worlds.count)
    var waiting: [Int] = []
    for index in worlds.indices where ModelWorld(packed: worlds[index]).isClosed {
      leadsThere[index] = true
      waiting.append(index)
    }
    while let index = waiting.popLast() {
      for source in sources[starts[index]..<starts[index + 1]] where !leadsThere[Int(source)] {
        leadsThere[Int(source)] = true
        waiting.append(Int(source))
      }
    }
    if let stuck = leadsThere.firstIndex(of: false) {
      finding = (ModelFault(property: "from every state there is a way to closed"), trace(to: stuck))
    }
  }
}

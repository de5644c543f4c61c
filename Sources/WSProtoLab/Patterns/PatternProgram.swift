// SPDX-License-Identifier: Apache-2.0

/// A regular expression as instructions for a ``PatternMachine``.
struct PatternProgram: Sendable {
  enum Instruction: Sendable {
    /// Takes one character.
    case take(ScalarSet)
    /// Goes on at both; what the first one leads to is preferred.
    case split(Int, Int)
    case jump(Int)
    /// Remembers the place: 0 and 1 around the match, 2 and 3 around the first capture.
    case remember(Int)
    case expect(PatternPlace)
    case match
  }

  private(set) var instructions: [Instruction] = []

  /// The most instructions; each may be looked at once a character.
  private static let maxCount = 10_000

  init(_ node: PatternNode) throws(PatternError) {
    try add(.remember(0))
    try add(node)
    try add(.remember(1))
    try add(.match)
  }

  private mutating func add(_ instruction: Instruction) throws(PatternError) {
    guard instructions.count < Self.maxCount else {
      throw PatternError(message: "with its repetitions written out it has more than \(Self.maxCount) parts")
    }
    instructions.append(instruction)
  }

  private mutating func add(_ node: PatternNode) throws(PatternError) {
    switch node {
    case .sequence(let parts): for part in parts { try add(part) }
    case .scalar(let set): try add(.take(set))
    case .place(let place): try add(.expect(place))
    case .capture(1, let inner):
      try add(.remember(2))
      try add(inner)
      try add(.remember(3))
    case .capture(_, let inner): try add(inner)
    case .alternatives(let all): try add(alternatives: all)
    case .repeated(let inner, let least, let most, let isLazy):
      for _ in 0..<least {
        let count = instructions.count
        try add(inner)
        // Nothing, however often: it would take its time nevertheless, and repetitions in each other multiply it.
        if instructions.count == count { break }
      }
      if let most {
        try add(inner, upTo: most - least, isLazy)
      } else {
        let start = instructions.count
        try add(.jump(0))
        try add(inner)
        try add(.jump(start))
        instructions[start] = split(start + 1, instructions.count, isLazy)
      }
    }
  }

  private func split(_ inner: Int, _ behind: Int, _ isLazy: Bool) -> Instruction {
    isLazy ? .split(behind, inner) : .split(inner, behind)
  }

  /// Each of these may be the last.
  private mutating func add(_ inner: PatternNode, upTo count: Int, _ isLazy: Bool) throws(PatternError) {
    var starts: [Int] = []
    for _ in 0..<count {
      starts.append(instructions.count)
      try add(.jump(0))
      try add(inner)
    }
    for start in starts { instructions[start] = split(start + 1, instructions.count, isLazy) }
  }

  private mutating func add(alternatives all: [PatternNode]) throws(PatternError) {
    var ends: [Int] = []
    for (number, one) in all.enumerated() {
      guard number < all.count - 1 else {
        try add(one)
        break
      }
      let start = instructions.count
      try add(.jump(0))
      try add(one)
      ends.append(instructions.count)
      try add(.jump(0))
      instructions[start] = .split(start + 1, instructions.count)
    }
    for end in ends { instructions[end] = .jump(instructions.count) }
  }
}

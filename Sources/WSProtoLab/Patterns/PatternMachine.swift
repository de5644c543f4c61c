// SPDX-License-Identifier: Apache-2.0

/// Matches a regular expression by following all its ways at once (Thompson's and Pike's construction): each instruction is
/// looked at once a character at most, so that no pattern and no text make it go back and try again.
struct PatternMachine {
  /// The places that are remembered.
  struct Places {
    var match: (start: String.Index?, end: String.Index?)
    var capture: (start: String.Index?, end: String.Index?)

    mutating func remember(_ number: Int, _ index: String.Index) {
      switch number {
      case 0: match.start = index
      case 1: match.end = index
      case 2: capture.start = index
      default: capture.end = index
      }
    }
  }

  private struct Way {
    var instruction: Int
    var places: Places
  }

  /// Ways in the order of preference, each instruction once.
  private struct Ways {
    var all: [Way] = []
    private var marks: [Int]
    private var round = 0

    init(count: Int) { marks = [Int](repeating: 0, count: count) }

    mutating func clear() {
      all.removeAll(keepingCapacity: true)
      round += 1
    }

    mutating func isNew(_ instruction: Int) -> Bool {
      guard marks[instruction] != round else { return false }
      marks[instruction] = round
      return true
    }
  }

  /// The work was given up.
  struct TooManySteps: Error {}

  private let program: PatternProgram
  private let ignoresCase: Bool
  private let maxSteps: Int
  /// How many instructions have been looked at.
  private(set) var steps = 0
  private var stack: [Way] = []

  init(_ program: PatternProgram, ignoresCase: Bool, maxSteps: Int) {
    self.program = program
    self.ignoresCase = ignoresCase
    self.maxSteps = maxSteps
  }

  /// The leftmost match, and of those the preferred one; `nil` if there is none.
  mutating func firstMatch(in text: String) throws(TooManySteps) -> Places? {
    let scalars = text.unicodeScalars
    var now = Ways(count: program.instructions.count)
    var next = now
    now.clear()
    var found: Places?
    var place = Place(scalars.startIndex, in: scalars, behind: nil)
    while true {
      // A match may begin here, unless there is one already.
      if found == nil { try follow(Way(instruction: 0, places: Places()), at: place, &now) }
      if now.all.isEmpty, found != nil { return found }
      next.clear()
      let following = place.here.map { Place(scalars.index(after: place.index), in: scalars, behind: $0) }
      ways: for way in now.all {
        try count()
        switch program.instructions[way.instruction] {
        case .match:
          // The ways behind this one are not preferred to it.
          found = way.places
          break ways
        case .take(let set):
          // Each member is looked at, without regard to case in three forms.
          try count(max(0, set.members.count - 1) * (ignoresCase ? 3 : 1))
          guard let here = place.here, let following, set.contains(here, ignoringCase: ignoresCase) else {
            continue
          }
          try follow(Way(instruction: way.instruction + 1, places: way.places), at: following, &next)
        default: continue
        }
      }
      guard let following else { return found }
      place = following
      swap(&now, &next)
    }
  }

  private mutating func count(_ cost: Int = 1) throws(TooManySteps) {
    steps += cost
    if steps > maxSteps { throw TooManySteps() }
  }

  /// A place between two characters.
  private struct Place {
    var index: String.Index
    var before: Unicode.Scalar?
    var here: Unicode.Scalar?
    /// Whether nothing follows but perhaps one line feed.
    var isLast: Bool

    init(_ index: String.Index, in text: String.UnicodeScalarView, behind before: Unicode.Scalar?) {
      self.index = index
      self.before = before
      here = index < text.endIndex ? text[index] : nil
      isLast = here.map { $0 == "\n" && text.index(after: index) == text.endIndex } ?? true
    }

    func fits(_ wanted: PatternPlace) -> Bool {
      switch wanted {
      case .start: return before == nil
      case .end: return isLast
      case .absoluteEnd: return here == nil
      case .wordBoundary: return isBoundary
      case .noWordBoundary: return !isBoundary
      }
    }

    private var isBoundary: Bool {
      (before.map(ScalarSet.isWord) ?? false) != (here.map(ScalarSet.isWord) ?? false)
    }
  }

  /// Follows a way up to the instructions that take a character.
  private mutating func follow(_ way: Way, at place: Place, _ ways: inout Ways) throws(TooManySteps) {
    stack = [way]
    while var one = stack.popLast() {
      try count()
      guard ways.isNew(one.instruction) else { continue }
      switch program.instructions[one.instruction] {
      case .take, .match: ways.all.append(one)
      case .jump(let target):
        one.instruction = target
        stack.append(one)
      case .split(let first, let second):
        stack.append(Way(instruction: second, places: one.places))
        stack.append(Way(instruction: first, places: one.places))
      case .remember(let number):
        one.places.remember(number, place.index)
        one.instruction += 1
        stack.append(one)
      case .expect(let wanted):
        guard place.fits(wanted) else { continue }
        one.instruction += 1
        stack.append(one)
      }
    }
  }
}

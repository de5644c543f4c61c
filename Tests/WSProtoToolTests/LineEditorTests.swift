// SPDX-License-Identifier: Apache-2.0

#if Tool
import Testing
import WSProtoTool

@Suite("The line editor")
struct LineEditorTests {
  private func editor(typing bytes: String, history: History = History()) -> (LineEditor, [LineEditor.Action])
  {
    var editor = LineEditor(history: history)
    var decoder = KeyDecoder()
    let actions = decoder.decode(bytes.utf8).compactMap { editor.take($0) }
    return (editor, actions)
  }

  @Test("Keys insert, move, delete and cut")
  func editing() {
    #expect(editor(typing: "helo\u{1b}[Dl").0.text == "hello")
    #expect(editor(typing: "ab\u{7f}c").0.text == "ac")
    #expect(editor(typing: "abc\u{1}\u{1b}[3~").0.text == "bc")
    #expect(editor(typing: "one two\u{17}three").0.text == "one three")
    #expect(editor(typing: "one two\u{15}\u{19}\u{19}").0.text == "one twoone two")
    #expect(editor(typing: "one two\u{1b}[1;5D\u{b}x").0.text == "one x")
  }

  @Test("A line that is begun with takes the place of what was typed, the cursor at its end")
  func beginning() {
    var editor = editor(typing: "half").0
    editor.begin("e text")
    #expect(editor.text == "e text" && editor.cursor == 6)
    #expect(editor.take(.enter) == .submit("e text"))
  }

  @Test("A character is one, however many scalars and bytes it has")
  func graphemes() {
    #expect(editor(typing: "a👩‍👩‍👧\u{7f}b").0.text == "ab")
    #expect(editor(typing: "e\u{301}\u{7f}").0.text == "")
    var decoder = KeyDecoder()
    let bytes = Array("世".utf8)
    #expect(decoder.decode(bytes[..<2]) == [])
    #expect(decoder.decode(bytes[2...]) == [.character("世")])
  }

  @Test("Enter submits; Ctrl-C interrupts; Ctrl-D ends an empty line and deletes in another one")
  func actions() {
    #expect(editor(typing: "hi\r").1 == [.submit("hi")])
    #expect(editor(typing: "hi\u{3}").1 == [.interrupt])
    #expect(editor(typing: "\u{4}").1 == [.end])
    #expect(editor(typing: "ab\u{1}\u{4}").0.text == "b")
  }

  @Test("Enter within open JSON begins a line of the same message, but not within other text")
  func openJSON() {
    #expect(editor(typing: "{\"a\":[1,\r2]}\r").1 == [.submit("{\"a\":[1,\n2]}")])
    #expect(editor(typing: "{\"}\\\"\r").0.text == "{\"}\\\"\n")
    #expect(editor(typing: "a {\r").1 == [.submit("a {")])
  }

  @Test("What is pasted is one text, its line ends included, also where a read cuts it")
  func paste() {
    #expect(editor(typing: "\u{1b}[200~a\r\nb\u{1b}[201~\r").1 == [.submit("a\nb")])
    var decoder = KeyDecoder()
    #expect(decoder.decode("\u{1b}[200~one\u{1b}[2".utf8) == [])
    #expect(decoder.decode("01~x".utf8) == [.pasted("one"), .character("x")])
  }

  @Test("Up and down go through the history, and back to what was typed")
  func history() {
    let before = History(lines: ["one", "two"])
    #expect(editor(typing: "dr\u{1b}[A", history: before).0.text == "two")
    #expect(editor(typing: "dr\u{1b}[A\u{1b}[A\u{1b}[A", history: before).0.text == "one")
    #expect(editor(typing: "dr\u{1b}[A\u{1b}[B", history: before).0.text == "dr")
  }

  @Test("The history leaves out repeated lines and those that begin with a space, and survives its file")
  func historyFile() {
    var history = History()
    for line in ["a", "a", " secret", "two\nlines \\n", ""] { history.add(line) }
    #expect(history.lines == ["a", "two\nlines \\n"])
    #expect(History(file: history.file).lines == history.lines)
  }

  @Test("A long line is shown around the cursor, by columns: wide characters take two")
  func visible() {
    let short = editor(typing: "世界").0.visible(columns: 10)
    #expect(short.text == "世界" && short.cursorColumn == 4)
    let long = editor(typing: String(repeating: "世", count: 20)).0.visible(columns: 11)
    #expect(long.text == String(repeating: "世", count: 5) && long.cursorColumn == 10)
    #expect(editor(typing: "a\u{1b}\rb").0.visible(columns: 10).text == "a↵b")
  }

  @Test(
    "Columns of characters (UAX #11)",
    arguments: [
      ("a", 1), ("é", 1), ("世", 2), ("ｱ", 1), ("👋", 2), ("👩‍👩‍👧", 2), ("🇩🇪", 2), ("❤️", 2), ("e\u{301}", 1),
      ("한", 2),
    ]
  )
  func columns(text: String, expected: Int) {
    #expect(text.columns == expected)
  }
}
#endif

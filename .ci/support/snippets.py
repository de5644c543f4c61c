# SPDX-License-Identifier: Apache-2.0
"""The Swift in documentation: blocks of Markdown and of doc comments, and calls that doc comments name in passing.

What a snippet takes for granted is declared beside it, where no reader of the page sees it: in Markdown by comments right
before the block, for doc comments in .ci/support/given.txt. There are two:

    given    imports, and constants and variables by name and type: let read: () throws -> [UInt8]
    within   the code around the snippet, with … for the snippet itself

A block of Markdown whose modules this package doesn't have is not among the snippets: a comment `from` names the file of
an example that it stands in.
"""

import collections
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GIVEN = ROOT / ".ci" / "support" / "given.txt"

#: `name` is what given.txt calls a snippet by, `line` that of its first line of code.
Snippet = collections.namedtuple("Snippet", "file line name code given within")


def tracked(*patterns):
    """Files that are committed or about to be."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return sorted(name for name in listed.split("\0") if name and (ROOT / name).exists())


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


# Markdown.

BLOCK = re.compile(r"((?:<!--(?:(?!-->).)*-->\s*\n)*)^( *)```swift\n(.*?)^\2```$", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"<!--\s*(given|within|from):(.*?)-->", re.DOTALL)


def without_indent(code, indent):
    return "".join(line.removeprefix(indent) for line in code.splitlines(keepends=True))


def in_markdown():
    for snippet, source in all_in_markdown():
        if not source:
            yield snippet


def from_examples():
    """The blocks that stand in an example: each with the file that it stands in."""
    for snippet, source in all_in_markdown():
        if source:
            yield snippet, source


def all_in_markdown():
    for file in tracked("*.md"):
        text = text_of(file)
        for number, block in enumerate(BLOCK.finditer(text), 1):
            comments = {kind: value.strip() for kind, value in COMMENT.findall(block[1])}
            snippet = Snippet(file, text.count("\n", 0, block.start(3)) + 1, f"block {number}",
                              without_indent(block[3], block[2]), comments.get("given", ""), comments.get("within", ""))
            yield snippet, comments.get("from", "")


# Doc comments.

DOC_COMMENT = re.compile(r"(?:^[ \t]*///.*\n)+", re.MULTILINE)
FENCE = re.compile(r"^( *)```([^\n`]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
# A call with arguments or a closure: no name of a function (`send(_:into:)`), no arithmetic, nothing that is left open.
CALL = re.compile(r"(?:try )?\.?[A-Za-z_]\w*(?:\.\w+)*(?:\(.*\)| \{.*\})")
NAME_OF_A_FUNCTION = re.compile(r"[\w.]+\((?:(?:\w+|_):)*\)")


def in_doc_comments():
    givens, used = read_givens(), set()
    for file in tracked("Sources/*.swift"):
        text, number = text_of(file), 0
        for comment in DOC_COMMENT.finditer(text):
            body = re.sub(r"^[ \t]*/// ?", "", comment[0], flags=re.MULTILINE)
            line_of = lambda at: text.count("\n", 0, comment.start()) + body.count("\n", 0, at) + 1
            found = []
            for fence in FENCE.finditer(body):
                if not fence[2].strip():
                    raise SystemExit(f"{file}:{line_of(fence.start())}: a block that doesn't say its language")
                if fence[2].strip() == "swift":
                    number += 1
                    found.append((line_of(fence.start(3)), f"block {number}", without_indent(fence[3], fence[1])))
            # Blanked, so that offsets stay.
            prose = FENCE.sub(lambda fence: re.sub(r"[^\n]", " ", fence[0]), body)
            for span in SPAN.finditer(prose):
                code = re.sub(r"\s*\n\s*", " ", span[1])
                if CALL.fullmatch(code) and not NAME_OF_A_FUNCTION.fullmatch(code) and "…" not in code:
                    found.append((line_of(span.start(1)), f"`{code}`", code))
            for line, name, code in found:
                given, within = [], ""
                for key in ((file, ""), (file, name)):
                    used.add(key)
                    given.append(givens.get(key, {}).get("given", ""))
                    within = givens.get(key, {}).get("within", within)
                module = file.split("/")[1]
                if module in ("WSProtoFoundation", "WSProtoNIO", "WSProtoNIOTesting"):
                    given.append(f"import {module}")
                if name.startswith("`") and not within:
                    # A case by itself is what is sent.
                    within = "_ = try send(…)" if code.startswith(".") else "_ = try …"
                yield Snippet(file, line, name, code + "\n", "\n".join(given), within)
    for key in givens.keys() - used:
        raise SystemExit(f"{GIVEN.relative_to(ROOT)}: nothing is called {' '.join(key).strip()}")


def read_givens():
    """(file, name of the snippet or "") → {"given": …, "within": …}"""
    givens, current = {}, None
    for line in GIVEN.read_text(encoding="utf-8").splitlines():
        heading = re.fullmatch(r"(Sources/\S+\.swift)(?: (.+))?", line)
        entry = re.fullmatch(r"  (given|within): (.+)", line)
        if heading:
            current = givens.setdefault((heading[1], heading[2] or ""), {})
        elif entry and current is not None:
            current[entry[1]] = "\n".join(filter(None, [current.get(entry[1]), entry[2]]))
        elif line.strip() and not line.startswith("#"):
            raise SystemExit(f"{GIVEN.relative_to(ROOT)}: what does '{line}' say?")
    return givens


# As Swift files.

DECLARATION = re.compile(r"^(?:@\w+(?:\(.*\))? )*(?:public |private |final |indirect )*extension\b", re.MULTILINE)
IMPORT = re.compile(r"^import .*\n", re.MULTILINE)


def parameters(snippet):
    for line in filter(None, (line.strip() for line in snippet.given.splitlines())):
        declared = re.fullmatch(r"(let|var) (\w+): (.+)", line)
        if declared:
            yield f"{declared[2]}: {'inout ' * (declared[1] == 'var')}{declared[3]}"
        elif not line.startswith("import "):
            raise SystemExit(f"{snippet.file}:{snippet.line}: no let, var or import: {line}")


def imports(snippet):
    """Those of the snippet, those given, and WSProto."""
    own = IMPORT.findall(snippet.code) + IMPORT.findall(snippet.given + "\n")
    return "".join(dict.fromkeys(["import WSProto\n", *own]))


def body(snippet):
    """The code without its imports, in what is around it. Compilers name its lines as those of the document."""
    code = IMPORT.sub("\n", snippet.code)
    before, _, after = (snippet.within or "…").partition("…")
    first = snippet.line - before.count("\n") - 1
    return f'#sourceLocation(file: "{snippet.file}", line: {first})\n{before}\n{code}{after}\n#sourceLocation()\n'


def as_file(snippet, function):
    """A file with the snippet as the body of a function of this name; extensions stand by themselves."""
    if DECLARATION.search(snippet.code):
        return imports(snippet) + body(snippet)
    # An expression of a doc comment is about the connection whose comment it is in.
    around = ("extension WSConnection {\n", "}\n") if snippet.name.startswith("`") else ("", "")
    effects = "async throws" if re.search(r"\bawait\b", snippet.code) else "throws"
    return (f"{imports(snippet)}\n{around[0]}func {function}({', '.join(parameters(snippet))}) {effects} {{\n"
            f"{body(snippet)}}}\n{around[1]}")

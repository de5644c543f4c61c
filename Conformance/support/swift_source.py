# SPDX-License-Identifier: Apache-2.0
"""Swift, as far as the matrix needs it: where strings and comments are."""

import re

CLOSING = {"(": ")", "[": "]", "{": "}"}


class Source:
    """A source with its strings and comments blanked in `code`, offset for offset, and the strings by their start."""

    def __init__(self, text):
        self.text = text
        self.code = list(text)
        self.strings = {}
        self.scan(0, None)
        self.code = "".join(self.code)

    def blank(self, start, end):
        for index in range(start, end):
            if self.code[index] != "\n":
                self.code[index] = " "

    def scan(self, at, until):
        """Walks over code, to the parenthesis that ends an interpolation or to the end; where it stopped."""
        text, depth = self.text, 0
        while at < len(text):
            if text.startswith("//", at):
                end = text.find("\n", at)
                end = len(text) if end < 0 else end
                self.blank(at, end)
                at = end
            elif text.startswith("/*", at):
                end = self.block_comment(at)
                self.blank(at, end)
                at = end
            elif opening := re.compile(r'(#*)("""|")').match(text, at):
                at = self.string(at, opening)
            else:
                if until and text[at] == "(":
                    depth += 1
                elif until and text[at] == until:
                    if depth == 0:
                        return at
                    depth -= 1
                at += 1
        return at

    def block_comment(self, at):
        depth = 0
        for mark in re.compile(r"/\*|\*/").finditer(self.text, at):
            depth += 1 if mark.group() == "/*" else -1
            if depth == 0:
                return mark.end()
        return len(self.text)

    def string(self, start, opening):
        """Over one literal, with what is interpolated; where it ends."""
        text, hashes, quotes = self.text, opening.group(1), opening.group(2)
        end_mark, escape = quotes + hashes, "\\" + hashes
        at = opening.end()
        while at < len(text):
            if text.startswith(end_mark, at):
                self.strings[start] = text[opening.end():at]
                at += len(end_mark)
                break
            if text.startswith(escape, at):
                at += len(escape)
                at = self.scan(at + 1, ")") + 1 if text.startswith("(", at) else at + 1
            elif text[at] == "\n" and quotes == '"':
                break
            else:
                at += 1
        self.blank(start, at)
        return at

    def parenthesis(self, at):
        """The offset of the one that closes the one at `at`."""
        stack = []
        for index in range(at, len(self.code)):
            char = self.code[index]
            if char in CLOSING:
                stack.append(CLOSING[char])
            elif stack and char == stack[-1]:
                stack.pop()
                if not stack:
                    return index
        return len(self.code)

    def line(self, at):
        return self.text.count("\n", 0, at) + 1

    def strings_in(self, start, end):
        return [(at, value) for at, value in sorted(self.strings.items()) if start <= at < end]

# SPDX-License-Identifier: Apache-2.0
"""Just enough of C to find functions, declarations and the comments over them in clang-formatted code."""
import re
from dataclasses import dataclass

TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
KEYWORDS = {"if", "for", "while", "switch", "return", "sizeof", "do", "else", "struct", "union", "enum", "typedef"}
NAME_BEFORE_PAREN = re.compile(r"([A-Za-z_]\w*)\s*$")


def _same_shape(text, keep_ends=0):
    """The text with all but its line ends blanked."""
    inner = re.sub(r"[^\n]", " ", text)
    return text[:keep_ends] + inner[keep_ends:len(inner) - keep_ends] + text[len(text) - keep_ends:] if keep_ends else inner


def without_comments(text):
    """Comments blanked, strings kept."""
    return TOKEN.sub(lambda m: _same_shape(m.group()) if m.group().startswith("/") else m.group(), text)


def bare(text):
    """Comments blanked, the inside of strings too; every line end keeps its place."""
    def blank(match):
        return _same_shape(match.group(), 0 if match.group().startswith("/") else 1)
    return TOKEN.sub(blank, text)


@dataclass
class Function:
    name: str
    line: int  # where the declaration or definition starts, from 1
    end: int  # the line of the closing brace or semicolon
    parameters: int
    defined: bool
    text: str  # from return type to the closing parenthesis

    @property
    def lines(self):
        return self.end - self.line + 1


def _parameters(inner):
    inner = inner.strip()
    if inner in ("", "void"):
        return 0
    depth = count = 0
    for c in inner:
        depth += c in "([{"
        depth -= c in ")]}"
        count += c == "," and depth == 0
    return count + 1


def _matching(text, at, opening, closing):
    depth = 0
    for i in range(at, len(text)):
        depth += text[i] == opening
        depth -= text[i] == closing
        if depth == 0:
            return i
    return len(text) - 1


def _blank_preprocessor(text):
    lines = text.split("\n")
    continued = False
    for i, line in enumerate(lines):
        if continued or line.lstrip().startswith("#"):
            continued = line.endswith("\\")
            lines[i] = ""
        else:
            continued = False
    return "\n".join(lines)


def _heads(text):
    """(start, end, terminator) of each top-level stretch that ends in `{` or `;`; bodies are skipped."""
    start = at = 0
    while at < len(text):
        c = text[at]
        if c == "(":
            at = _matching(text, at, "(", ")")
        elif c == ";":
            yield start, at, ";", at
            start = at + 1
        elif c == "{":
            if re.fullmatch(r'\s*extern\s+" "\s*|\s*extern\s+"\s*"\s*', text[start:at]):
                start = at + 1  # what stands in extern "C" is still top level
            else:
                end = _matching(text, at, "{", "}")
                yield start, at, "{", end
                # A type's brace ends at its semicolon, a function's with itself.
                start = end + 1
                at = end
        elif c == "}":
            start = at + 1
        at += 1


def functions(source):
    """All functions declared or defined at the top level."""
    text = _blank_preprocessor(bare(source))
    text = re.sub(r'extern\s+"[^"]*"\s*\{', lambda m: _same_shape(m.group()), text)
    found = []
    for start, end, terminator, close in _heads(text):
        head = text[start:end]
        # Attributes stand before or after; the parameter list is the parenthesis that follows the function's name.
        clean = re.sub(r"__attribute__\s*\(\(.*?\)\)", lambda m: _same_shape(m.group()), head, flags=re.DOTALL)
        opening = clean.find("(")
        if opening < 0 or "=" in clean[:opening] or re.match(r"\s*typedef\b", clean):
            continue
        named = NAME_BEFORE_PAREN.search(clean[:opening])
        if not named or named.group(1) in KEYWORDS or not clean[:named.start()].strip():
            continue
        closing = _matching(clean, opening, "(", ")")
        first = start + len(head) - len(head.lstrip())
        found.append(Function(named.group(1), text.count("\n", 0, first) + 1, text.count("\n", 0, close) + 1,
                              _parameters(clean[opening + 1:closing]), terminator == "{",
                              source[first:start + closing + 1]))
    return found


def comment_above(lines, line):
    """The comment that ends right over line (from 1), as one text, or None."""
    at = line - 2
    if at < 0:
        return None
    if lines[at].strip().startswith("//"):
        first = at
        while first > 0 and lines[first - 1].strip().startswith("//"):
            first -= 1
        return "\n".join(lines[first:at + 1])
    if not lines[at].rstrip().endswith("*/"):
        return None
    first = at
    while first > 0 and "/*" not in lines[first]:
        first -= 1
    if not lines[first].strip().startswith("/*"):
        return None  # a remark at the end of another line
    return "\n".join(lines[first:at + 1])

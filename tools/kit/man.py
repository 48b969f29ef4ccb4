# SPDX-License-Identifier: Apache-2.0
r"""The examples of manual pages. A block is marked by a comment in the mdoc source:

    .\" example: what it shows
    .Bd -literal -offset indent
    $ coapsule get coap://localhost/lock
    locked
    $ cat > door.yaml
    | listen: coap://127.0.0.1
    $ coapsule serve door.yaml &
    $ false
    # exit 1
    .Ed

In a page in Markdown the mark is `<!-- example: what it shows -->`, and the block is fenced as ```console.

A line after `$ ` is a command, one that ends in `&` runs beside the rest until the end of the page and is waited for until it
says that it is ready (`kill %1` ends the first of them, `kill -HUP %1` lets it read its file again); `| ` lines are what a
command reads; `# exit N` is the status that it shall end with (0 where nothing is said); other lines are what it prints,
where `...` stands for anything. The blocks of a page are one story: they run in order, in one folder.
"""
import re
from dataclasses import dataclass, field

MARK = re.compile(r'^\.\\" example: (.+)$')
MARKDOWN_MARK = re.compile(r"^<!-- example: (.+) -->$")
ESCAPES = {r"\e": "\\", r"\-": "-", r"\(aq": "'", r"\&": "", r"\(dq": '"', r"\(ha": "^", r"\(ti": "~"}


@dataclass
class Step:
    command: str
    line: int
    given: list = field(default_factory=list)
    output: list = field(default_factory=list)
    status: int = 0

    @property
    def beside(self):
        return self.command.endswith("&")


@dataclass
class Example:
    title: str
    line: int
    steps: list


def pages(root):
    """The manual pages of a tree, and its pages in Markdown that have an example."""
    written = [root / "README.md", *sorted((root / "docs").glob("*.md"))]
    marked = [path for path in written if path.exists() and "<!-- example: " in path.read_text(encoding="utf-8")]
    return sorted((root / "docs" / "man").glob("*.[1-9]")) + marked


def plain(line):
    """A line of a literal block as a reader sees it."""
    for escape, text in ESCAPES.items():
        line = line.replace(escape, text)
    return line


def add_line(steps, line, number):
    if line.startswith("$ "):
        steps.append(Step(line[2:].strip(), number))
        return
    if not steps:
        raise ValueError(f"line {number}: an example starts with a command (`$ `)")
    step = steps[-1]
    ending = re.fullmatch(r"# exit (\d+)", line)
    if ending:
        step.status = int(ending.group(1))
    elif line.startswith("| "):
        step.given.append(line[2:])
    else:
        step.output.append(line)


def examples(source):
    """The examples of a page, in order; ValueError where a mark has no block."""
    found, lines, at = [], source.splitlines(), 0
    while at < len(lines):
        mark, markdown = MARK.match(lines[at]), MARKDOWN_MARK.match(lines[at])
        at += 1
        if not mark and not markdown:
            continue
        opening, closing = ("```console", "```") if markdown else (".Bd -literal", ".Ed")
        if at >= len(lines) or not lines[at].startswith(opening):
            raise ValueError(f"line {at}: the example is not followed by {opening}")
        example = Example((mark or markdown).group(1), at, [])
        at += 1
        while at < len(lines) and not lines[at].startswith(closing):
            add_line(example.steps, lines[at] if markdown else plain(lines[at]), at + 1)
            at += 1
        found.append(example)
    return found


def matches(expected, actual):
    """Whether the printed lines are the expected ones; `...` stands for anything, over lines too if alone on its own."""
    pattern = "".join("(?:.*\n)*?" if line.strip() == "..." else ".*?".join(map(re.escape, line.split("..."))) + "\n"
                      for line in expected)
    return re.fullmatch(pattern, actual if actual.endswith("\n") or not actual else actual + "\n") is not None

# SPDX-License-Identifier: Apache-2.0
"""The requirements as docs/requirements/*.md list them, and the milestones of goals.txt."""
import re
from dataclasses import dataclass

ROW = re.compile(r"^\| ([A-Z0-9]+-[A-Za-z0-9.-]+) \|")
HEADING = re.compile(r"^## ([A-Z0-9]+): (.*)$")
CELL_END = re.compile(r"(?<!\\)\|")
ALIAS = re.compile(r"^alias of ([^:]+)")
FILES = ("base.md", "security.md")


@dataclass
class Requirement:
    id: str
    group: str
    section: str
    level: str
    text: str
    goal: str = ""

    @property
    def alias(self):
        """What it restates ("MSG-1, MSG-2"), or None."""
        match = ALIAS.match(self.text)
        return match.group(1).strip() if match else None

    @property
    def testable(self):
        return self.level != "document" and not self.alias


def read(root):
    """({id: Requirement} in the order of the files, {group: title})."""
    found, groups = {}, {}
    for name in FILES:
        group = None
        for number, line in enumerate((root / "docs" / "requirements" / name).read_text(encoding="utf-8").splitlines(), 1):
            heading = HEADING.match(line)
            if heading:
                group = heading.group(1)
                groups[group] = heading.group(2)
            if not ROW.match(line):
                continue
            cells = [c.strip() for c in CELL_END.split(line.strip())[1:-1]]
            if len(cells) != 5 or cells[0] in found or group is None:
                raise SystemExit(f"docs/requirements/{name}:{number}: not a row of five cells with an id of its own")
            found[cells[0]] = Requirement(cells[0], group, cells[1], cells[2], cells[3])
    read_goals(root / "docs" / "requirements" / "goals.txt", found)
    return found, groups


def expand(text):
    """The ids of "MSG 1-3 5; OPS 2"."""
    for part in text.split(";"):
        group, *numbers = part.split()
        for number in numbers:
            first, _, last = number.partition("-")
            for n in range(int(first), int(last or first) + 1):
                yield f"{group}-{n}"


def read_goals(path, requirements):
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        line = line.split("#")[0].strip()
        if not line:
            continue
        name, _, ids = line.partition(":")
        for wanted in expand(ids):
            if wanted not in requirements:
                raise SystemExit(f"docs/requirements/goals.txt:{number}: unknown id {wanted}")
            requirements[wanted].goal = name.strip()

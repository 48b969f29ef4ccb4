# SPDX-License-Identifier: Apache-2.0
"""Reads TAP as it comes: plan, cases with their requirement ids, and what a failed case had to say."""
import re

PLAN = re.compile(r"^\s*1\.\.(\d+)\b")
CASE = re.compile(r"^(not )?ok\b\s*(\d+)?\s*(?:-\s*)?(.*)$")
IDS = re.compile(r"^(.*?)\s*\[([^\]]*)\]$")
SKIP = re.compile(r"#\s*skip\b", re.IGNORECASE)
KEEP = 60  # lines of context kept for a failure


def split_ids(text):
    """("name", ["MSG-1", "MSG-2"]) of "name [MSG-1 MSG-2]"."""
    match = IDS.match(text.strip())
    if not match:
        return text.strip(), []
    return match.group(1), match.group(2).split()


class Reader:
    """Feed it lines; it calls `case(name, ids, ok, lines)` for each case whose lines are complete."""

    def __init__(self, case):
        self.case = case
        self.plan = None
        self.seen = 0
        self.failures = 0
        self.before = []
        self.held = None  # a failed case whose explaining lines may still come

    def feed(self, line):
        line = line.rstrip("\n")
        plan = PLAN.match(line)
        if plan and self.plan is None:
            self.plan = int(plan.group(1))
            return
        match = CASE.match(line)
        if match and not line.startswith("# "):
            self.flush()
            self.seen += 1
            self.finish_case(match)
        elif self.held is not None and line.startswith("#"):
            self.held[3].append(line)
        else:
            self.flush()
            self.before = (self.before + [line])[-KEEP:]

    def finish_case(self, match):
        rest = match.group(3)
        skipped = SKIP.search(rest) is not None
        name, ids = split_ids(SKIP.split(rest)[0] or rest if skipped else rest)
        ok = None if skipped else match.group(1) is None
        record = [name, ids, ok, self.before]
        self.before = []
        if ok is False:
            self.failures += 1
            self.held = record
        else:
            self.case(*record)

    def flush(self):
        if self.held is not None:
            held, self.held = self.held, None
            self.case(*held)

    def missing(self):
        """How many cases of the plan did not come; one where not even a plan came."""
        if self.plan is None:
            return 0 if self.seen else 1
        return max(0, self.plan - self.seen)

#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# run-tests: once
"""tools/coverage: what is proven, what is proven no more, and which page says so."""
import json

from lib.tap import case, run

BASE = """## MSG: Messages
| ID | Section | Level | Requirement | Test |
|---|---|---|---|---|
| MSG-1 | 3 | MUST | Version is one. | Send others. |
| MSG-2 | 3 | MUST | Header has `a\\|b` bytes. | Send less. |
| MSG-10 | 3 | MAY | alias of MSG-1: again. | |
| MSG-11 | 3 | document | Said somewhere. | |
"""


class Tree:
    def __init__(self, t):
        self.t = t
        self.root = t.tmp / "tree"
        (self.root / "docs" / "requirements").mkdir(parents=True)
        (self.root / "tests").mkdir()
        for name, text in {"base.md": BASE, "security.md": "", "goals.txt": "soon: MSG 1-2\n"}.items():
            (self.root / "docs" / "requirements" / name).write_text(text, encoding="utf-8")
        t.run(["git", "init", "-q", "-b", "main", self.root])

    def run(self, mode, *rows, complete=True):
        results = [{"suite": "unit/test_x.c", "build": "build", "case": name, "ids": ids.split(), "ok": ok, "seconds": 0}
                   for name, ids, ok in rows]
        path = self.root / "results.json"
        path.write_text(json.dumps({"complete": complete, "results": results}), encoding="utf-8")
        return self.t.run([self.t.source / "tools" / "coverage", "--source", self.root, "--results", path, mode])

    def expected(self):
        return (self.root / "tests" / "expected-ids.txt").read_text().split()


@case("", "coverage: a run is written, then checks clean; the page says proven, open, alias and documentation")
def written(t):
    tree = Tree(t)
    assert tree.run("--write", ("good", "MSG-1", True)).status == 0
    assert tree.run("--check", ("good", "MSG-1", True)).status == 0
    page = (tree.root / "docs" / "conformance.md").read_text()
    for row in ("| MSG-1 | MUST | Version is one. | proven | unit/test_x.c: good |",
                "| MSG-2 | MUST | Header has `a\\|b` bytes. | open (soon) |  |", "| see MSG-1 |", "| by documentation |",
                "| [MSG](#msg) | 1 | 2 | Messages |"):
        assert row in page, (row, page)
    assert tree.expected() == ["MSG-1"]


@case("", "coverage: an id whose case fails, is skipped or has vanished fails the check, and stays expected")
def lost(t):
    tree = Tree(t)
    tree.run("--write", ("good", "MSG-1", True))
    for rows, why in (([("good", "MSG-1", False)], "failed: tests/unit/test_x.c: good"),
                      ([("good", "MSG-1", True), ("good", "MSG-1", False)], "failed:"),
                      ([("good", "MSG-1", None)], "failed:"), ([], "no case names it any more")):
        done = tree.run("--check", *rows)
        assert done.status == 1 and f"MSG-1: proven before, now not ({why}" in done.out, done.out
    tree.run("--write")
    assert tree.expected() == ["MSG-1"]


@case("", "coverage: unknown ids, aliases, documentation's ids and more than three ids fail")
def wrong_ids(t):
    done = Tree(t).run("--write", ("a", "MSG-3", True), ("b", "MSG-10 MSG-11", True), ("c", "MSG-1 MSG-2 MSG-1 MSG-2", True))
    assert done.status == 1
    for text in ("unknown id MSG-3", "MSG-10 is an alias; name MSG-1", "MSG-11 is met by a page", "c: names 4 ids"):
        assert text in done.out, done.out


@case("", "coverage: a page out of date fails with the command that renews it, and so does a partial run")
def out_of_date(t):
    tree = Tree(t)
    tree.run("--write", ("good", "MSG-1", True))
    done = tree.run("--check", ("good", "MSG-1", True), ("new", "MSG-2", True))
    assert done.status == 1 and "out of date; make conformance renews it" in done.out
    done = tree.run("--check", ("good", "MSG-1", True), complete=False)
    assert done.status == 1 and "some tests only" in done.err


@case("", "coverage: an id that main expects cannot leave the list")
def grows_only(t):
    tree = Tree(t)
    tree.run("--write", ("good", "MSG-1", True), ("more", "MSG-2", True))
    git = ["git", "-C", tree.root, "-c", "user.name=t", "-c", "user.email=t@example.com"]
    t.run([*git, "add", "-A"])
    assert t.run([*git, "commit", "-qm", "x"]).status == 0
    (tree.root / "tests" / "expected-ids.txt").write_text("MSG-1\n")
    done = tree.run("--check", ("good", "MSG-1", True), ("more", "MSG-2", True))
    assert done.status == 1 and "MSG-2 has left it" in done.out, done.out


if __name__ == "__main__":
    run()

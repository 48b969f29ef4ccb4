#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# run-tests: long
# run-tests: once
"""tools/check-abi: what a program built against the old library would notice is found, and more is no change."""
from lib.tap import case, run

OLD = "struct point { int x; int y; };\nint sum(struct point *p) { return p->x + p->y; }\nint zero(void) { return 0; }\n"
CHANGES = [(OLD, None), (OLD + "int one(void) { return 1; }\n", None), (OLD.replace("int zero(void) { return 0; }\n", ""), "zero"),
           (OLD.replace("int y;", "long y;"), "sum"), (OLD.replace("int zero(void)", "long zero(void)"), "zero")]


@case("", "a function that is gone or changed is found, a new one is not")
def changes(t):
    def library(name, text):
        (t.tmp / f"{name}.c").write_text(text)
        assert t.run(["cc", "-g", "-shared", "-fPIC", "-o", f"{name}.so", f"{name}.c"]).status == 0
        return t.tmp / f"{name}.so"

    old = library("old", OLD)
    for number, (text, noticed) in enumerate(CHANGES):
        done = t.run([t.source / "tools" / "check-abi", "--old", old, "--new", library(f"new{number}", text)])
        assert done.status == (0 if noticed is None else 1), done.describe()
        assert noticed is None or noticed in done.out, done.describe()


@case("", "this build is compared with the last release, or with itself while there is none")
def this_build(t):
    done = t.run([t.source / "tools" / "check-abi", "--build", t.build], deadline_s=600)
    assert done.status == 0 and "no change against" in done.out, done.describe()


run()

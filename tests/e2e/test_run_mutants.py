#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# run-tests: once
"""tools/run-mutants on a tree of one function: caught, survived, stale."""
import shutil

from lib.tap import case, run

CMAKE = """cmake_minimum_required(VERSION 3.25)
project(x LANGUAGES C)
add_executable(test_x src/x.c tests/unit/test_x.c)
set_target_properties(test_x PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
"""
CODE = "int twice(int x);\nint twice(int x)\n{\n    return 2 * x;\n}\n"
TEST = """#include <stdio.h>
int twice(int x);
int main(void)
{
    printf("1..1\\n%sok 1 - doubles []\\n", twice(3) == 6 ? "" : "not ");
    return twice(3) != 6;
}
"""


def patch(new, old="    return 2 * x;", head="Rule: doubles\nRed: tests/unit/test_x.c\nWhen: check\n"):
    return (f"{head}\n--- a/src/x.c\n+++ b/src/x.c\n@@ -1,5 +1,5 @@\n int twice(int x);\n int twice(int x)\n {{\n-{old}\n"
            f"+{new}\n }}\n")


def mutate(t, patches, *args):
    root = t.tmp / "tree"
    for name, text in {"CMakeLists.txt": CMAKE, "src/x.c": CODE, "tests/unit/test_x.c": TEST, ".gitignore": "/build*/\n",
                       **{f"tests/mutants/{n}.patch": p for n, p in patches.items()}}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    shutil.copytree(t.source / "tools", root / "tools", dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns("__pycache__"))
    t.run(["git", "init", "-q", root])
    return t.run([t.source / "tools" / "run-mutants", "--source", root, *args], deadline_s=60)


@case("", "mutants: one that turns its test red is caught, one that does not survives; the tree stays as it was")
def verdicts(t):
    done = mutate(t, {"001-caught": patch("    return 3 * x;"), "002-survives": patch("    return x + x;")})
    assert done.status == 1, done.out
    assert "001-caught: caught" in done.out and "002-survives: SURVIVED: tests/unit/test_x.c" in done.out, done.out
    assert done.out.splitlines()[-1] == "1 passed, 1 failed"
    assert (t.tmp / "tree" / "src" / "x.c").read_text() == CODE
    assert (t.tmp / "tree" / "build-mutants" / "tree" / "src" / "x.c").read_text() == CODE


@case("", "mutants: one that does not apply, or does not build, is not taken for caught")
def stale(t):
    done = mutate(t, {"001-old": patch("    return 3;", old="    return 5 * x;"), "002-broken": patch("    return y;")})
    assert done.status == 1, done.out
    assert "001-old: does not apply" in done.out and "002-broken: does not build" in done.out, done.out


@case("", "mutants: without a rule, or with a test that does not exist, nothing is run; --few takes only those for check")
def heads(t):
    done = mutate(t, {"001-x": patch("    return 3;", head="Rule: doubles\nRed: tests/unit/test_y.c\n")})
    assert done.status == 1 and "tests/unit/test_y.c" in done.err, done.err
    done = mutate(t, {"001-x": patch("    return 3;", head="Rule: doubles\nRed: tests/unit/test_x.c\n")}, "--few")
    assert done.status == 1 and "no mutant fits" in done.err, done.err


if __name__ == "__main__":
    run()

#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# run-tests: once
"""The checks of the house: each finds what it is there to find, and takes what is good."""
from lib.tap import case, run

LICENCE = "// SPDX-License-Identifier: Apache-2.0\n"
PAGE = """
```arrows
base →
wire → base
store → base
ep → wire store/store.h
host → ep store
sim → ep
```
```outside
uv.h → host
```
"""


class Tree:
    def __init__(self, t, files):
        self.t = t
        self.root = t.tmp / "tree"
        for name, text in {"docs/architecture.md": PAGE, **files}.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        t.run(["git", "init", "-q", self.root])

    def check(self, tool):
        return self.t.run([self.t.source / "tools" / tool, self.root])


def assert_finds(t, tool, files, *findings):
    """The tool names exactly these findings."""
    done = Tree(t, files).check(tool)
    lines = done.out.splitlines()
    assert len(lines) == len(findings) + 1, done.out
    for finding in findings:
        assert any(finding in line for line in lines), (finding, done.out)
    assert done.status == (1 if findings else 0), done.status


@case("", "arrows: what points down passes, also through a room between and through one header of a room")
def arrows_good(t):
    assert_finds(t, "check-arrows", {
        "src/base/a.h": "", "src/store/store.h": '#include "base/a.h"\n', "src/store/mem.h": "",
        "src/wire/w.h": '#include <coapsule/types.h>\n#include "base/a.h"\n',
        "src/ep/ep.h": '#include "base/a.h"\n#include "wire/w.h"\n#include "store/store.h"\n',
        "sim/net.c": '#include "ep/ep.h"\n#include "store/store.h"\n#include "base/a.h"\n',
        "src/host/loop.c": '#include <uv.h>\n#include "store/mem.h"\n'})


@case("", "arrows: what points up, sideways, around, nowhere or outside is found with its line")
def arrows_bad(t):
    assert_finds(t, "check-arrows", {
        "src/base/a.h": '\n#include "wire/w.h"\n', "src/wire/w.h": "#include <uv.h>\n",
        "src/store/mem.h": "", "src/store/store.h": "",
        "src/ep/ep.h": '#include "store/mem.h"\n#include "ep/none.h"\n// #include "host/loop.h"\n',
        "src/host/loop.h": '# include "../base/a.h"\n', "src/attic/x.h": ""},
        'src/base/a.h:2: includes "wire/w.h": no arrow goes from base to wire',
        "src/wire/w.h:1: includes <uv.h>, which is for host alone",
        'src/ep/ep.h:1: includes "store/mem.h": no arrow', 'src/ep/ep.h:2: includes "ep/none.h", which is nowhere',
        'src/host/loop.h:1: includes "../base/a.h": write it relative to src', "src/attic/x.h: the room attic is not")


@case("", "size: long files, long functions and long parameter lists are found, exceptions only with a reason")
def size(t):
    body = "    x++;\n" * 70
    assert_finds(t, "check-size", {
        "src/base/long.c": LICENCE + "int x;\n" * 500,
        "src/base/fine.c": LICENCE + "/* size: a table of the RFC */\n" + "int x;\n" * 500,
        "src/base/f.c": f"int f(int x)\n{{\n{body}}}\n\n/* size: one switch of the RFC */\nint g(int x)\n{{\n{body}}}\n",
        "src/base/p.h": "int p(int a, int b, int (*c)(int, int), int d, int e, int f, int g);\nint q(int (*a)(int, int));\n",
        "tools/t.py": "def f(a):\n" + "    a += 1\n" * 61},
        "src/base/long.c: 501 lines", "src/base/f.c:1: f has 73 lines", "src/base/p.h:1: p takes 7", "tools/t.py:1: f has 62")


@case("", "docs: a function without a comment, or a public one that is silent on threads, is found")
def docs(t):
    public = '#ifdef __cplusplus\nextern "C" {\n#endif\n'
    assert_finds(t, "check-docs", {
        "include/coapsule/x.h": LICENCE + public + "/** Runs. Any thread. */\nCPS_API int a(int x);\n\n/** Runs. */\n"
        "CPS_API int b(void);\n\n/* Any thread. */\nint c(void);\n}\n",
        "src/base/y.h": LICENCE + "/** A pair. */\nint d(void);\nint e(void);\n\nstatic inline int f(void) { return 1; }\n",
        "src/base/y.c": "int g(void) { return 2; }\n"},
        "include/coapsule/x.h:9: the docstring of b", "include/coapsule/x.h:12: the comment of c is no docstring",
        "src/base/y.h:6: f has no comment", "src/base/y.c:1: starts without")


@case("", "secrets: a call that prints something named as a secret is found unless it says why")
def secrets(t):
    assert_finds(t, "check-secrets", {
        "src/base/x.c": 'void f(void)\n{\n    printf("%s",\n           ctx->master_secret);\n    printf("master_secret");\n'
        '    cps_log_hex(log, k->sender_key);\n    printf("%zu", secret_len);\n    // shows a secret: asked for by --secret\n'
        "    puts(secret);\n}\n"},
        "src/base/x.c:3: printf is given master_secret", "src/base/x.c:6: cps_log_hex is given sender_key")


if __name__ == "__main__":
    run()

#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# run-tests: once
"""The examples of the manual pages, of README.md and of the pages in docs/ do what they say. Each page runs in a network of its own, so that the ports of the
examples are free."""
import os
import re
import signal
import sys
import textwrap
from pathlib import Path

from lib import netns
from lib.tap import case, run

SOURCE = Path(os.environ.get("COAPSULE_SOURCE", Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(SOURCE / "tools"))
from kit import man  # noqa: E402

READY = r"\bready\b"


class Story:
    """The examples of one page: one folder, one shell environment, processes beside."""

    def __init__(self, t, text):
        self.t = t
        self.examples = man.examples(text)
        self.env = {"PATH": f"{t.bin}:{os.environ['PATH']}", "XDG_STATE_HOME": str(t.tmp / "state")}
        self.beside = []

    def tell(self):
        for example in self.examples:
            for step in example.steps:
                self.take(step)

    def take(self, step):
        where = f"line {step.line}: {step.command}"
        self.t.note(where)
        if step.beside:
            self.beside.append(self.t.start(["sh", "-c", "exec " + step.command[:-1]], ready=READY, env=self.env))
            return
        if step.command == "kill %1":
            assert self.beside.pop(0).stop() in (0, -signal.SIGTERM), where
            return
        if step.command == "kill -HUP %1":
            mark = self.beside[0].mark()
            self.beside[0].signal(signal.SIGHUP)
            self.beside[0].expect(r"\breloaded\b", since=mark)
            return
        given = "".join(line + "\n" for line in step.given) if step.given else None
        done = self.t.run(["sh", "-c", step.command], input=given, env=self.env)
        assert done.status == step.status, f"{where}: exit {done.status}, the page says {step.status}"
        printed = done.out + done.err
        assert man.matches(step.output, printed), f"{where} prints\n{printed}and the page says\n" + "\n".join(step.output)


def page_case(path):
    @case("", f"the examples of {path.name} do what the page says")
    def tell(t):
        Story(t, path.read_text(encoding="utf-8")).tell()


MARKDOWN = """\
Some text.

<!-- example: a story -->
```console
$ echo one; exit 3
one
# exit 3
```

```console
$ this is not run
```
"""


@case("", "examples in Markdown run the same way")
def in_markdown(t):
    Story(t, MARKDOWN).tell()
    try:
        Story(t, MARKDOWN.replace("# exit 3", "# exit 4")).tell()
    except AssertionError:
        return
    raise AssertionError("passed with another status")


PAGE = r"""
.Sh EXAMPLES
.\" example: a story
.Bd -literal -offset indent
$ cat > file
| one
| two
$ cat file
one
t...
$ printf 'a\enb\en'; exit 3
...
b
# exit 3
$ sh -c 'echo ready; exec tail \-f /dev/null' &
$ kill %1
.Ed
"""


@case("", "a page that says what happens passes; one that says another output or status fails")
def the_runner(t):
    Story(t, PAGE).tell()
    for old, new in (("t...", "t..x"), ("# exit 3", "# exit 4"), ("...\nb", "b"), ("one\nt", "one\nx")):
        try:
            Story(t, PAGE.replace(old, new)).tell()
        except AssertionError:
            continue
        raise AssertionError(f"passed all the same with {new!r} for {old!r}")


@case("", "a page that is no mdoc, or marks what is no block, fails the check")
def the_lint(t):
    folder = t.tmp / "docs" / "man"
    folder.mkdir(parents=True)
    (folder / "good.1").write_text(textwrap.dedent("""\
        .Dd November 24, 2026
        .Dt GOOD 1
        .Os
        .Sh NAME
        .Nm good
        .Nd a page
        """))
    tool = [t.source / "tools" / "check-man", t.tmp]
    assert t.run(tool).status == 0
    (folder / "bad.1").write_text(".Sh EXAMPLES\n.\\\" example: none\n.Pp\n.Xx\n")
    done = t.run(tool)
    assert done.status == 1 and re.search("unknown macro|skipping", done.out) and "not followed by .Bd" in done.out, done.out
    (folder / "bad.1").unlink()
    (t.tmp / "README.md").write_text("<!-- example: none -->\n\nText.\n")
    done = t.run(tool)
    assert done.status == 1 and "README.md" in done.out and "not followed by ```console" in done.out, done.out


for page in man.pages(SOURCE):
    page_case(page)

if __name__ == "__main__":
    netns.enter()
    run()

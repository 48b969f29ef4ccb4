# SPDX-License-Identifier: Apache-2.0
"""The files of the tree, as git knows them, and what a check does with its findings."""
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
C_SUFFIXES = (".c", ".h")


def files(root=ROOT, suffixes=C_SUFFIXES, under=()):
    """Paths (relative to root) of files that are tracked or would be, sorted; `under` names top folders."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=root, capture_output=True, text=True,
                            check=True).stdout.split("\n")
    return sorted(Path(f) for f in listed
                  if f and (not suffixes or f.endswith(suffixes)) and (not under or f.split("/")[0] in under)
                  and (Path(root) / f).is_file())


def report(check, findings, looked_at):
    """Print the findings; the exit status of the check."""
    for finding in findings:
        print(finding)
    if findings:
        print(f"{check}: {len(findings)} to mend")
        return 1
    print(f"{check}: {looked_at}, nothing to mend")
    return 0


def root_of_arguments():
    """The tree that a check looks at: the first argument (its own tests give one), else this one."""
    return Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT

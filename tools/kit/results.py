# SPDX-License-Identifier: Apache-2.0
"""Results of a run: shown as they come, saved as JSON for tools/coverage."""
import json
import os
import re
import threading


MEASURED = "# measured: "


class Summary:
    """Prints failures and figures at once and the closing line."""

    def __init__(self, out):
        self.out = out

    def figures(self, row, lines):
        for line in lines:
            if line.startswith(MEASURED):
                self.out.write(f"{row['suite']} ({row['build']}): {line[len(MEASURED):]}\n")
        self.out.flush()

    def failure(self, row, lines):
        ids = f" [{' '.join(row['ids'])}]" if row["ids"] else ""
        shown = f"FAIL {row['suite']} ({row['build']}): {row['case']}{ids}"
        self.out.write("\n".join([shown] + ["    " + line for line in lines]) + "\n")
        self.out.flush()

    def close(self, results, seconds):
        passed = sum(r["ok"] is True for r in results)
        failed = sum(r["ok"] is False for r in results)
        skipped = sum(r["ok"] is None for r in results)
        for r in results:
            if r["ok"] is False:
                self.out.write(f"failed: {r['suite']} ({r['build']}): {r['case']}\n")
        suites = len({(r["suite"], r["build"]) for r in results})
        self.out.write(f"{suites} programs in {seconds:.1f} s\n")
        self.out.write(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "") + "\n")
        self.out.flush()
        return failed


class Results:
    def __init__(self, summary):
        self.summary = summary
        self.rows = []
        self.lock = threading.Lock()

    def add(self, row, lines):
        """A row has suite, build, case, ids, ok (None for a skipped case), seconds and long; lines explain a failure, or tell figures."""
        with self.lock:
            self.rows.append(row)
            self.summary.figures(row, lines)
            if row["ok"] is False:
                self.summary.failure(row, lines)

    def save(self, path, complete):
        rows = sorted(self.rows, key=lambda r: (r["suite"], r["build"]))
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part")
        partial.write_text(json.dumps({"complete": complete, "results": rows}, indent=1) + "\n", encoding="utf-8")
        os.replace(partial, path)

    def finish(self, seconds):
        """Print the closing lines; the exit status of the run."""
        return 1 if self.summary.close(self.rows, seconds) or not self.rows else 0


def closing_counts(line):
    """(passed, failed) of a closing line, None of any other."""
    match = re.fullmatch(r"(\d+) passed, (\d+) failed(, \d+ skipped)?", line)
    return (int(match.group(1)), int(match.group(2))) if match else None

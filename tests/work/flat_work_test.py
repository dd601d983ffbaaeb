"""The promise of design/xtree.md, "Flat scans": no question in many dimensions takes the tree more
than 1.1 times the instructions of a flat scan with the same registers. They are counted by
callgrind, so that what else the machine does changes nothing.

    flat_work_test.py FLAT_WORK
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

MOST = 1.1
SKIPPED = 77  # what CMake is told of


def counted(engine, *data):
    """The answers to each question, and the instructions that they took."""
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", "--collect-atstart=no", "--toggle-collect=answer",
             "--dump-after=answer", f"--callgrind-out-file={directory}/counts", PROGRAM, engine,
             *data], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        answers = done.stdout.splitlines()
        totals = []
        for part in range(1, len(answers) + 1):
            text = pathlib.Path(directory, f"counts.{part}").read_text()
            totals += [int(line.split()[1]) for line in text.splitlines()
                       if line.startswith("totals:")]
    return list(zip(answers, totals, strict=True))


class FlatWork(unittest.TestCase):
    def check(self, *data):
        ratios = {}
        for ours, peers in zip(counted("xtree", *data), counted("flat", *data), strict=True):
            self.assertEqual(ours[0], peers[0])
            ratios[ours[0].split(":")[0]] = ours[1] / peers[1]
        print(" ".join(data), ", ".join(f"{name}: {ratio:.3f}" for name, ratio in ratios.items()))
        for name, ratio in ratios.items():
            with self.subTest(" ".join(data) + ", " + name):
                self.assertLessEqual(ratio, MOST)

    def test_no_question_about_many_points_takes_more_than_a_flat_scan(self):
        for dimensions in ("8", "16"):
            self.check(dimensions, "uniform", "40000")

    def test_no_question_about_few_points_takes_more_than_a_flat_scan(self):
        for dimensions in ("8", "16"):
            self.check(dimensions, "uniform", "2000")
            self.check(dimensions, "clustered", "2000")


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    if shutil.which("valgrind") is None:
        print("valgrind is not here")
        sys.exit(SKIPPED)
    unittest.main()

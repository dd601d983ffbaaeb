"""Runs `xtree crash-test`, of the command named by XTREE_TOOL, and looks at what comes out."""

import json
import os
import subprocess
import tempfile
import unittest

TOOL = os.environ["XTREE_TOOL"]
OK, USAGE, BAD_INPUT = 0, 2, 3
WELL = ("xtree crash case 1\nlife\nstep create-index strict 0\n"
        "step write strict 0 insert 0 1 0 0\ncrash process 30\n")


def run(*arguments):
    return subprocess.run([TOOL, "crash-test", *arguments], capture_output=True, text=True,
                          timeout=300)


class CrashTest(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.case = os.path.join(holder.name, "case.txt")

    def replay(self, text):
        with open(self.case, "w", encoding="utf-8") as file:
            file.write(text)
        return run("--replay", self.case, "--json")

    def test_a_run_reports_what_it_looked_at(self):
        done = run("--states", "5000", "--seed", "3", "--json")
        self.assertEqual((done.returncode, done.stderr), (OK, ""))
        report = json.loads(done.stdout)
        self.assertEqual((report["seed"], report["states"], report["faults"]), (3, 5000, []))
        for key in ("crash_points", "distinct_states", "lives", "states_per_second"):
            self.assertGreater(report[key], 0, key)

    def test_text_ends_with_the_verdict(self):
        done = run("--states", "1000", "--workload", "levels")
        self.assertEqual(done.returncode, OK, done.stderr)
        self.assertEqual(done.stdout.strip().split("\n")[-1], "1000 states, 0 faults")

    def test_time_is_a_limit(self):
        done = run("--seconds", "0.2", "--json")
        self.assertEqual(done.returncode, OK, done.stderr)
        self.assertGreaterEqual(json.loads(done.stdout)["seconds"], 0.2)

    def test_mistakes_have_their_exit_codes(self):
        for code, arguments in ((USAGE, ["--states", "-1"]), (USAGE, ["--hours", "0"]),
                                (USAGE, ["--seconds", "soon"]),
                                (BAD_INPUT, ["--workload", "dance"]),
                                (BAD_INPUT, ["--replay", "/nowhere/at/all"])):
            with self.subTest(arguments):
                self.assertEqual(run(*arguments).returncode, code)

    def test_a_case_is_replayed(self):
        done = self.replay(WELL)
        self.assertEqual(done.returncode, OK, done.stderr)
        self.assertEqual(json.loads(done.stdout)["result"], "all is well")

    def test_a_file_that_is_no_case_is_refused(self):
        done = self.replay(WELL.replace("insert", "devour"))
        self.assertEqual(done.returncode, BAD_INPUT)
        self.assertIn("line 4", json.loads(done.stderr)["error"]["message"])


if __name__ == "__main__":
    unittest.main()

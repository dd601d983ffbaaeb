"""Runs `xtree compact`, `xtree open-report` and what builds choose for files, as tool_test.py runs
the other subcommands."""

import json
import os
import unittest

from tool_test import BAD_INPUT, OK, POINTS, ToolTest, run


class Disk(ToolTest):
    def test_help_documents_exit_codes(self):
        for command in ("compact", "open-report"):
            done = run(command, "--help")
            self.assertEqual((done.returncode, done.stderr), (OK, ""))
            self.assertIn("Exit codes: 0", done.stdout)

    def test_compact_gives_space_back_and_keeps_everything(self):
        rows = "".join(f"{i},{i % 100}\n" for i in range(20000))
        self.build("x,y\n" + rows, "x,y")
        # A few entries more change a part of the nodes.
        more = self.file("x,y\n" + "".join(f"{i},50\n" for i in range(0, 6000, 10)), "more.csv")
        self.good("build", more, "-o", self.database, "--index", "things", "--columns", "x,y")
        before = self.good("stats", self.database)["database"]
        done = self.good("compact", self.database)
        self.assertLess(done["garbage_share_after"], 0.06)
        self.assertLess(done["segments_after_bytes"], before["segment_bytes"])
        self.assertGreater(done["moved_bytes"], 0)
        segments = os.path.join(self.database, "segments")
        on_disk = sum(os.path.getsize(os.path.join(segments, name))
                      for name in os.listdir(segments))
        self.assertEqual(on_disk, done["segments_after_bytes"])
        self.assertEqual(self.query("-inf,-inf,inf,inf", "--count")["count"], 20600)
        self.assertTrue(self.good("verify", self.database)["verified"])
        # The second time there is nothing to do.
        self.assertEqual(self.good("compact", self.database)["moved_bytes"], 0)

    def test_packed_indexes_say_so_and_hold_the_same_entries(self):
        for compression in ("none", "lz4", "zstd"):
            with self.subTest(compression):
                arguments = ["build", self.file(POINTS), "-o", self.database, "--index",
                             compression, "--columns", "x,y", "--id", "id", "--compression",
                             compression, "--window", "0,0,5,16"]
                done = run(*arguments, "--json")
                if done.returncode == BAD_INPUT:
                    self.assertEqual(json.loads(done.stderr)["error"]["code"], "unsupported")
                    continue
                self.assertEqual(json.loads(done.stdout)["window"]["count"], 5)
                again = self.good(*arguments[:-4], "--compression", "none")
                self.assertEqual(again["tree"]["entries"], 40)
                stats = self.good("stats", self.database)["indexes"]
                self.assertEqual({index["name"]: index["compression"] for index in stats}
                                 [compression], compression)
                if compression != "none":
                    self.assertIn("packed by " + compression, again["holds"])
        self.good("verify", self.database, "--deep")

    def test_open_report_says_what_an_open_had_to_do(self):
        self.build()
        report = self.good("open-report", self.database)
        self.assertEqual(report["replayed_operations"], 0)
        self.assertGreater(report["table_entries"], 0)
        self.assertEqual(report["segments"], len(os.listdir(self.database + "/segments")))
        self.assertLessEqual(sum(report["parts"].values()), report["open_seconds"] + 1e-4)
        self.assertLessEqual(report["open_seconds"], report["first_answer_seconds"])
        text = run("open-report", self.database).stdout
        for part in ("table read", "log scan", "replay", "first answer"):
            self.assertIn(part, text)

    def test_a_directory_without_a_database_stays_as_it_is(self):
        for command in ("compact", "open-report"):
            self.assertEqual(self.bad(BAD_INPUT, command, self.database)["code"], "not_found")
        self.assertFalse(os.path.exists(self.database))


if __name__ == "__main__":
    unittest.main()

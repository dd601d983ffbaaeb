"""Deep verification and repair, as scripts see them."""

import glob
import json
import os
import shutil
import unittest

from tool_test import BAD_INPUT, CORRUPTION, OK, USAGE, ToolTest, run

ENTRIES = 5000


class Repair(ToolTest):
    def setUp(self):
        super().setUp()
        self.fresh = os.path.join(self.root, "fresh")
        self.build("x,y\n" + "".join(f"{i % 70},{i // 70}\n" for i in range(ENTRIES)))

    def report(self, code, *arguments):
        """The report of a run that may have something to complain of."""
        done = run(*arguments, "--json")
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(json.loads(done.stderr)["error"]["code"] if done.stderr else None,
                         "corruption" if code == CORRUPTION else None)
        return json.loads(done.stdout)

    def damage(self, pattern, offset):
        path = sorted(glob.glob(os.path.join(self.database, pattern)))[0]
        with open(path, "r+b") as file:
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([byte ^ 0x10]))
        return os.path.relpath(path, self.database)

    def count(self, database):
        found = self.good("query", database, "--index", "things", "--window",
                          "-inf,-inf,inf,inf", "--count")
        return found["count"]

    def test_deep_verification_reports_what_it_read(self):
        report = self.report(OK, "verify", self.database, "--deep")
        self.assertTrue(report["verified"])
        self.assertEqual((report["entries"], report["faults"], report["doubts"]),
                         (ENTRIES, [], []))
        self.assertGreater(report["live_bytes"], 24 * ENTRIES)

    def test_deep_verification_reports_every_fault(self):
        self.damage("segments/*", 8192 + 100)
        self.damage("segments/*", 3 * 8192 + 100)
        self.damage("superblock", 20)
        table = self.damage("table/*", 40)
        report = self.report(CORRUPTION, "verify", self.database, "--deep")
        self.assertFalse(report["verified"])
        self.assertEqual(report["fault_count"], len(report["faults"]))
        files = {fault["file"] for fault in report["faults"]}
        self.assertLessEqual({"superblock", table}, files)
        self.assertTrue(all(fault["text"] for fault in report["faults"]))

    def test_faults_in_nodes_name_the_node_and_its_index(self):
        segment = self.damage("segments/*", 8192 + 100)
        report = self.report(CORRUPTION, "verify", self.database, "--deep")
        self.assertEqual(len(report["faults"]), 1)
        fault = report["faults"][0]
        self.assertEqual((fault["file"], fault["index"]), (segment, "things"))
        self.assertLessEqual(fault["offset"], 8192 + 100)
        self.assertRegex(fault["node"], "^[0-9a-f]{16}$")

    def test_repair_of_a_whole_database_is_complete(self):
        report = self.report(OK, "repair", self.database, "--to", self.fresh)
        self.assertTrue(report["complete"])
        index = report["indexes"][0]
        self.assertEqual((index["name"], index["entries"], index["lost_entries"]),
                         ("things", ENTRIES, 0))
        self.good("verify", self.fresh, "--deep")
        self.assertEqual(self.count(self.fresh), ENTRIES)

    def test_repair_accounts_for_what_is_lost(self):
        self.damage("segments/*", 8192 + 100)
        report = self.report(CORRUPTION, "repair", self.database, "--to", self.fresh)
        self.assertFalse(report["complete"])
        index = report["indexes"][0]
        self.assertEqual(index["checkpoint_entries"], ENTRIES)
        self.assertEqual(index["salvaged_entries"] + index["lost_entries"], ENTRIES)
        self.assertGreater(index["lost_entries"], 0)
        self.assertEqual(self.count(self.fresh), index["salvaged_entries"])

    def test_repair_does_without_table_and_manifest(self):
        for lost in (["table/*"], ["superblock"], ["table/*", "superblock"]):
            with self.subTest(lost):
                copy = os.path.join(self.root, "copy")
                shutil.copytree(self.database, copy)
                for pattern in lost:
                    for path in glob.glob(os.path.join(copy, pattern)):
                        os.remove(path)
                self.assertNotEqual(run("verify", copy).returncode, OK)
                self.report(CORRUPTION, "verify", copy, "--deep")
                report = self.report(OK, "repair", copy, "--to", self.fresh)
                self.assertTrue(report["complete"])
                self.assertEqual(self.count(self.fresh), ENTRIES)
                shutil.rmtree(copy)
                shutil.rmtree(self.fresh)

    def test_text_shows_the_faults(self):
        segment = self.damage("segments/*", 8192 + 100)
        for arguments in (["verify", self.database, "--deep"],
                          ["repair", self.database, "--to", self.fresh]):
            done = run(*arguments)
            self.assertEqual(done.returncode, CORRUPTION)
            self.assertIn(segment, done.stdout)
            self.assertIn("things", done.stdout)

    def test_damaged_directory_is_only_read(self):
        self.damage("segments/*", 8192 + 100)
        before = self.files()
        run("verify", self.database, "--deep")
        run("repair", self.database, "--to", self.fresh)
        self.assertEqual(self.files(), before)

    def files(self):
        """What the files of the database hold, by path."""
        contents = {}
        for folder, _, names in os.walk(self.database):
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    contents[os.path.join(folder, name)] = file.read()
        return contents

    def test_directories_are_checked(self):
        error = self.bad(BAD_INPUT, "repair", self.database, "--to", self.root)
        self.assertEqual(error["code"], "already_exists")
        for command in (["verify", "--deep"], ["repair", "--to", self.fresh]):
            with self.subTest(command):
                nowhere = os.path.join(self.root, "nowhere")
                self.assertEqual(self.bad(BAD_INPUT, *command, nowhere)["code"], "not_found")
                os.mkdir(nowhere)
                self.assertEqual(self.bad(BAD_INPUT, *command, nowhere)["code"], "not_a_database")
                os.rmdir(nowhere)
        self.assertEqual(self.bad(USAGE, "repair", self.database)["code"], "usage")
        self.assertFalse(os.path.exists(self.fresh))


if __name__ == "__main__":
    unittest.main()

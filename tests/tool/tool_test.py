"""Runs the xtree command, named by the variable XTREE_TOOL, and looks at what comes out."""

import json
import os
import random
import signal
import struct
import subprocess
import tempfile
import time
import unittest

TOOL = os.environ["XTREE_TOOL"]
SEED = int(os.environ.get("XTREE_TEST_SEED", random.randrange(2 ** 32)))
print(f"tool: XTREE_TEST_SEED={SEED}", flush=True)
OK, CORRUPTION, USAGE, BAD_INPUT, IO, LOCKED = range(6)

POINTS = "id,name,x,y\n" + "".join(f"{100 + i},p{i},{i},{i * i}\n" for i in range(20))
BOXES = "a,b,c,d\n0,0,2,2\n1,1,3,3\n5,5,6,6\n-10,-10,10,10\n"


def run(*arguments, stdin=None):
    return subprocess.run([TOOL, *arguments], input=stdin, capture_output=True, text=True,
                          timeout=120)


class ToolTest(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.root = holder.name
        self.database = os.path.join(self.root, "db")

    def file(self, text, name="points.csv"):
        path = os.path.join(self.root, name)
        with open(path, "w", newline="", encoding="utf-8") as file:
            file.write(text)
        return path

    def good(self, *arguments, **options):
        """The document that a successful run prints."""
        done = run(*arguments, "--json", **options)
        self.assertEqual((done.returncode, done.stderr), (OK, ""), done.stdout)
        return json.loads(done.stdout)

    def bad(self, code, *arguments, **options):
        """The error that a failing run prints, which must look the same as text."""
        done = run(*arguments, "--json", **options)
        self.assertEqual((done.returncode, done.stdout), (code, ""), done.stderr)
        error = json.loads(done.stderr)["error"]
        text = run(*arguments, **options)
        self.assertEqual(text.returncode, code)
        self.assertTrue(text.stderr.startswith("xtree: " + error["message"]), text.stderr)
        return error

    def build(self, text=POINTS, columns="x,y", *arguments):
        return self.good("build", self.file(text), "-o", self.database, "--index", "things",
                         "--columns", columns, *arguments)

    def query(self, window, *arguments):
        return self.good("query", self.database, "--index", "things", "--window", window,
                         *arguments)

    def ids(self, window, *arguments):
        return sorted(hit["id"] for hit in self.query(window, *arguments)["hits"])


class CommandLine(ToolTest):
    def test_help_documents_exit_codes(self):
        for command in ([], ["build"], ["query"], ["nearest"], ["stats"], ["verify"],
                        ["checkpoint"]):
            done = run(*command, "--help")
            self.assertEqual((done.returncode, done.stderr), (OK, ""))
            self.assertIn("Exit codes: 0", done.stdout)
            self.assertLessEqual(max(map(len, done.stdout.split("\n"))), 100)

    def test_version_is_a_version(self):
        self.assertRegex(run("--version").stdout, r"^\d+\.\d+\.\d+\n$")

    def test_mistakes_are_usage_errors(self):
        for arguments in ([], ["dance"], ["stats"], ["stats", "a", "b"], ["query", "a"],
                          ["build", "a.csv", "--index", "i", "--columns", "x"],
                          ["build", "a.csv", "--index", "i", "--columns", "x", "-o", "d",
                           "--mode", "memory"],
                          ["build", "a.csv", "--index", "i", "--columns", "x", "-o", "d",
                           "--precision", "half"],
                          ["build", "a.csv", "--index", "i", "--columns", "x", "-o", "d",
                           "--batch", "0"],
                          ["query", "a", "--index", "i", "--window", "0,1", "--predicate", "near"],
                          ["query", "a", "--index", "i", "--window", "0,1", "--limit", "-1"],
                          ["query", "a", "--index", "i", "--window", "0,1", "--limit", "1",
                           "--count"],
                          ["nearest", "a", "--index", "i", "--at", "0", "-k", "0"]):
            with self.subTest(arguments):
                error = self.bad(USAGE, *arguments)
                self.assertEqual(error["code"], "usage")
                self.assertIn("--help", error["advice"])

    def test_json_may_stand_before_the_command(self):
        done = run("--json", "stats", self.database)
        self.assertEqual(json.loads(done.stderr)["error"]["code"], "not_found")

    def test_full_standard_output_is_an_error(self):
        self.build()
        with open("/dev/full", "w") as full:
            done = subprocess.run([TOOL, "stats", self.database], stdout=full,
                                  stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, IO)
        self.assertIn("standard output", done.stderr)


class Csv(ToolTest):
    def test_quotes_may_hold_commas_quotes_and_line_breaks(self):
        text = ('id,name,x,y\r\n1,"Lion, d\'Or",1,1\r\n2,"say ""hi""",2,2\r\n'
                '3,"two\r\nlines",3,3\r\n')
        self.build(text + '4,"",4,"4"', "x,y", "--id", "id")
        self.assertEqual(self.ids("0,0,9,9"), [1, 2, 3, 4])

    def test_line_ends_of_any_kind_count_as_lines(self):
        for end in ("\n", "\r\n", "\r"):
            with self.subTest(repr(end)):
                path = self.file(end.join(["x,y", "1,1", "", '2,"2"', "3,z"]))
                error = self.bad(BAD_INPUT, "build", path, "-o", self.database, "--index", "i",
                                 "--columns", "x,y")
                self.assertEqual(error["place"], path + ":5")

    def test_line_breaks_in_quotes_count_as_lines(self):
        path = self.file('n,x\n"a\nb\r\nc",1\nd,z\n')
        error = self.bad(BAD_INPUT, "build", path, "--mode", "memory", "--index", "i",
                         "--columns", "x")
        self.assertEqual(error["place"], path + ":5")

    def test_byte_order_mark_and_blank_lines_are_skipped(self):
        self.assertEqual(self.build("\ufeffx,y\n\n1,1\n \n\n2,2\n\n")["added"], 2)

    def test_numbers_of_lines_are_ids_by_default(self):
        self.build("x,y\n7,7\n\n8,8\n")
        self.assertEqual(self.ids("0,0,9,9"), [2, 4])

    def test_standard_input_is_a_file(self):
        done = self.good("build", "-", "--mode", "memory", "--index", "i", "--columns", "x,y",
                         stdin=POINTS)
        self.assertEqual(done["added"], 20)

    def test_bad_line_is_named_with_column_and_text(self):
        for line, words in (("1,abc", ["'abc' is not a number", "column 'y'"]),
                            ("1,", ["'' is not a number", "column 'y'"]),
                            ("1,2,3", ["3 fields", "2 columns"]), ("1", ["1 fields"]),
                            ("1,inf", ["'inf' is not finite"]),
                            ("nan,1", ["'nan' is not a number"]),
                            ("1e999,1", ["out of the scalar's range"]),
                            ("1,0x10", ["is not a number"]), ("1,1 2", ["is not a number"]),
                            ('1,2"3', ["quote"]), ('1,"2"3', ["quote"]),
                            ('1,"2', ["ends within a quoted field"])):
            with self.subTest(line):
                path = self.file("x,y\n5,5\n\n" + line)
                error = self.bad(BAD_INPUT, "build", path, "-o", self.database, "--index", "i",
                                 "--columns", "x,y")
                self.assertEqual(error["place"], path + ":4")
                for word in words:
                    self.assertIn(word, error["message"])

    def test_skipped_lines_are_counted_and_shown(self):
        text = 'id,x,y\n1,1,1\n2,2"2,2\n3,z,3\n4,4\n5,5,5\n-6,6,6\n7,"7\nx"y,7\n8,8,8\n'
        done = self.build(text, "x,y", "--id", "id", "--skip-bad")
        self.assertEqual((done["added"], done["skipped"]), (3, 5))
        lines = [int(message.split(".csv:")[1].split(":")[0]) for message in done["skipped_lines"]]
        self.assertEqual(lines, [3, 4, 5, 7, 8])
        self.assertEqual(self.ids("0,0,9,9"), [1, 5, 8])

    def test_only_the_first_skipped_lines_are_shown(self):
        done = self.build("x\n" + "z\n" * 1000 + "1\n", "x", "--skip-bad")
        self.assertEqual((done["added"], done["skipped"], len(done["skipped_lines"])),
                         (1, 1000, 10))

    def test_endless_record_is_refused_and_passed(self):
        text = 'x,y\n1,1\n2,"' + "2" * 3000000 + '\n3,3\n'
        done = self.build(text, "x,y", "--skip-bad")
        self.assertEqual((done["added"], done["skipped"]), (2, 1))
        self.assertIn("closing quote may be missing", done["skipped_lines"][0])

    def test_records_across_buffer_ends_are_whole(self):
        rng = random.Random(SEED)
        names = [rng.choice(["a,", '""', "b\n", "c\r\n", "d"]) * rng.randrange(200)
                 for _ in range(2000)]
        text = "name,x\r\n" + "".join(f'"{name}",{i}\r\n' for i, name in enumerate(names))
        self.assertEqual(self.build(text, "x")["added"], 2000)
        self.assertEqual(self.query("-inf,inf", "--count")["count"], 2000)

    def test_missing_columns_are_named(self):
        error = self.bad(BAD_INPUT, "build", self.file(POINTS), "--mode", "memory", "--index", "i",
                         "--columns", "x,z")
        self.assertIn("no column 'z'", error["message"])
        self.assertIn("id, name, x, y", error["message"])

    def test_missing_empty_and_unreadable_files_are_errors(self):
        tail = ["--mode", "memory", "--index", "i", "--columns", "x"]
        self.assertEqual(self.bad(BAD_INPUT, "build", self.root + "/none.csv", *tail)["code"],
                         "not_found")
        self.assertIn("empty", self.bad(BAD_INPUT, "build", self.file(""), *tail)["message"])
        self.assertIn("directory", self.bad(BAD_INPUT, "build", self.root, *tail)["message"])


class Build(ToolTest):
    def test_modes_and_precisions_hold_the_same_entries(self):
        for mode in (["--mode", "memory"], ["-o", self.database]):
            for precision in ("double", "float"):
                with self.subTest(mode=mode, precision=precision):
                    done = self.good("build", self.file(POINTS), *mode, "--index", precision,
                                     "--columns", "x,y", "--id", "id", "--precision", precision,
                                     "--window", "0,0,5,16", "--at", "3,9", "-k", "2")
                    self.assertEqual((done["added"], done["tree"]["entries"]), (20, 20))
                    self.assertEqual(done["window"]["count"], 5)
                    self.assertEqual(done["nearest"][0], {"id": 103, "distance": 0})
                    self.assertEqual(len(done["nearest"]), 2)

    def test_failed_build_adds_nothing(self):
        path = self.file(POINTS + "1,p,x,1\n")
        self.bad(BAD_INPUT, "build", path, "-o", self.database, "--index", "things", "--columns",
                 "x,y")
        self.assertEqual(self.good("stats", self.database)["indexes"], [])

    def test_failed_build_in_batches_says_what_is_in(self):
        path = self.file(POINTS + "1,p,x,1\n")
        done = run("build", path, "-o", self.database, "--index", "things", "--columns", "x,y",
                   "--batch", "8", "--json")
        self.assertEqual(done.returncode, BAD_INPUT)
        self.assertIn("16 entries were added", done.stderr)
        self.assertEqual(self.query("-inf,-inf,inf,inf", "--count")["count"], 16)

    def test_second_build_adds_to_the_index(self):
        self.build()
        done = self.build(POINTS, "x,y", "--batch", "3")
        self.assertEqual((done["added"], done["tree"]["entries"]), (20, 40))
        self.good("verify", self.database)

    def test_other_schemas_are_refused(self):
        self.build()
        for other in (["--columns", "x"], ["--columns", "x,y,x"], ["--columns", "x,x", "--boxes"],
                      ["--columns", "x,y", "--precision", "float"]):
            with self.subTest(other):
                error = self.bad(BAD_INPUT, "build", self.file(POINTS), "-o", self.database,
                                 "--index", "things", *other)
                self.assertEqual(error["code"], "already_exists")
                self.assertIn("2-D points of double", error["message"])

    def test_boxes_need_ordered_pairs(self):
        path = self.file("a,b,c,d\n0,0,1,1\n3,0,1,1\n")
        tail = ["--mode", "memory", "--index", "i", "--boxes", "--columns"]
        error = self.bad(BAD_INPUT, "build", path, *tail, "a,b,c,d")
        self.assertIn("column 'a': '3' is greater than 1 in column 'c'", error["message"])
        self.assertIn("two columns", self.bad(BAD_INPUT, "build", path, *tail, "a,b,c")["message"])

    def test_every_number_of_dimensions_works(self):
        for dimensions in (1, 2, 3, 5, 8, 16, 31, 32):
            with self.subTest(dimensions):
                names = [f"c{i}" for i in range(dimensions)]
                rows = "\n".join(",".join(str(row + axis) for axis in range(dimensions))
                                 for row in range(300))
                name = f"d{dimensions}"
                self.good("build", self.file(",".join(names) + "\n" + rows), "-o", self.database,
                          "--index", name, "--columns", ",".join(names))
                window = ",".join([str(100 + i) for i in range(dimensions)] +
                                  [str(104 + i) for i in range(dimensions)])
                found = self.good("query", self.database, "--index", name, "--window", window)
                self.assertEqual(sorted(hit["id"] for hit in found["hits"]), list(range(102, 107)))
                at = ",".join(str(50 + i) for i in range(dimensions))
                near = self.good("nearest", self.database, "--index", name, "--at", at, "-k", "1")
                self.assertEqual([hit["id"] for hit in near["hits"]], [52])
        path = self.file(",".join(f"c{i}" for i in range(33)))
        error = self.bad(BAD_INPUT, "build", path, "--mode", "memory", "--index", "i", "--columns",
                         ",".join(f"c{i}" for i in range(33)))
        self.assertIn("32 dimensions", error["message"])

    def test_ids_are_whole_numbers_of_64_bits(self):
        self.build("id,x\n18446744073709551615,1\n0,2\n", "x", "--id", "id")
        self.assertEqual(self.ids("0,9"), [0, 18446744073709551615])
        for text in ("-1", "1.5", "18446744073709551616", "one", ""):
            error = self.bad(BAD_INPUT, "build", self.file(f"id,x\n{text},1\n"), "--mode",
                             "memory", "--index", "i", "--columns", "x", "--id", "id")
            self.assertIn("2^64", error["message"])

    def test_names_of_indexes_are_checked(self):
        error = self.bad(BAD_INPUT, "build", self.file(POINTS), "-o", self.database, "--index",
                         "no spaces", "--columns", "x,y")
        self.assertEqual(error["code"], "invalid_argument")


class Query(ToolTest):
    def test_predicates_mean_what_they_say(self):
        self.build(BOXES, "a,b,c,d", "--boxes")
        for predicate, ids in (("intersects", [2, 3, 5]), ("within", [2]), ("covers", [5]),
                               ("overlaps", [3]), ("disjoint", [4])):
            with self.subTest(predicate):
                self.assertEqual(self.ids("-1,-1,2.5,2.5", "--predicate", predicate), ids)
                counted = self.query("-1,-1,2.5,2.5", "--predicate", predicate, "--count")
                self.assertEqual(counted["count"], len(ids))

    def test_predicates_agree_with_a_plain_scan(self):
        rng = random.Random(SEED)
        boxes = []
        for _ in range(3000):
            low = [rng.randrange(100) for _ in range(2)]
            boxes.append((low, [side + rng.randrange(12) for side in low]))
        text = "a,b,c,d\n" + "".join(f"{l[0]},{l[1]},{h[0]},{h[1]}\n" for l, h in boxes)
        self.build(text, "a,b,c,d", "--boxes")
        low, high = [30, 30], [42, 40]
        axes = range(2)

        def meets(b):
            return all(b[0][i] <= high[i] and b[1][i] >= low[i] for i in axes)

        def within(b):
            return all(b[0][i] >= low[i] and b[1][i] <= high[i] for i in axes)

        def covers(b):
            return all(b[0][i] <= low[i] and b[1][i] >= high[i] for i in axes)

        def overlaps(b):
            inner = all(b[0][i] < high[i] and b[1][i] > low[i] for i in axes)
            return inner and not within(b) and not covers(b)

        for name, answers in (("intersects", meets), ("within", within), ("covers", covers),
                              ("overlaps", overlaps), ("disjoint", lambda b: not meets(b))):
            with self.subTest(name):
                expected = [i + 2 for i, box in enumerate(boxes) if answers(box)]
                self.assertEqual(self.ids("30,30,42,40", "--predicate", name), expected)

    def test_hits_show_what_was_stored(self):
        self.build("x,y\n0.1,-2.5e-300\n", "x,y")
        hits = self.query("0,-1,1,1")["hits"]
        self.assertEqual(hits, [{"id": 2, "point": [0.1, -2.5e-300]}])

    def test_float_indexes_find_and_show_decimals_as_written(self):
        self.build("x,y\n0.1,0.7\n", "x,y", "--precision", "float")
        self.assertEqual(self.query("0.1,0.7,0.1,0.7")["hits"], [{"id": 2, "point": [0.1, 0.7]}])
        self.assertIn("0.1  0.7", run("query", self.database, "--index", "things", "--window",
                                      "0,0,1,1").stdout)

    def test_limit_cuts_and_says_so(self):
        self.build()
        some = self.query("-inf,-inf,inf,inf", "--limit", "7")
        self.assertEqual((some["count"], len(some["hits"]), some["more"]), (7, 7, True))
        every = self.query("-inf,-inf,inf,inf", "--limit", "20")
        self.assertEqual((every["count"], every["more"]), (20, False))

    def test_no_hits_are_an_answer(self):
        self.build()
        self.assertEqual(self.query("-9,-9,-8,-8"),
                         {"index": "things", "count": 0, "more": False, "hits": []})

    def test_wrong_numbers_are_refused_with_a_reason(self):
        self.build()
        for window, words in (("1,2", "needs 4 numbers"), ("1,2,3,4,5", "not 5"),
                              ("1,2,3,x", "'x' is not a number"), ("1,2,,4", "is not a number"),
                              ("1,2,nan,4", "is not a number"), ("5,0,1,9", "greater than")):
            with self.subTest(window):
                error = self.bad(BAD_INPUT, "query", self.database, "--index", "things",
                                 "--window", window)
                self.assertEqual(error["place"], "--window")
                self.assertIn(words, error["message"])

    def test_unknown_index_is_answered_with_known_ones(self):
        self.build()
        error = self.bad(BAD_INPUT, "query", self.database, "--index", "thing", "--window", "1,2")
        self.assertEqual(error["code"], "not_found")
        self.assertIn("things", error["message"])


class Upkeep(ToolTest):
    def test_stats_describe_every_index(self):
        self.build()
        self.good("build", self.file(BOXES), "-o", self.database, "--index", "boxes", "--boxes",
                  "--columns", "a,b,c,d", "--precision", "float")
        stats = self.good("stats", self.database)
        indexes = {index["name"]: index for index in stats["indexes"]}
        self.assertEqual(stats["database"]["indexes"], 2)
        self.assertEqual((indexes["things"]["shape"], indexes["things"]["entries"]), ("points", 20))
        self.assertEqual((indexes["boxes"]["precision"], indexes["boxes"]["entries"]),
                         ("float", 4))
        text = run("stats", self.database).stdout
        self.assertIn("things", text)
        self.assertIn("boxes", text)

    def test_verify_says_that_all_is_well(self):
        self.build()
        done = self.good("verify", self.database)
        self.assertEqual((done["verified"], done["indexes"][0]["entries"]), (True, 20))

    def test_checkpoint_keeps_everything(self):
        self.build()
        done = self.good("checkpoint", self.database)
        self.assertGreater(done["checkpoint"], 0)
        self.assertGreater(done["segment_bytes"], 0)
        self.assertEqual(self.query("-inf,-inf,inf,inf", "--count")["count"], 20)

    def test_missing_directory_is_not_found_and_not_made(self):
        for command in ("stats", "verify", "checkpoint"):
            self.assertEqual(self.bad(BAD_INPUT, command, self.database)["code"], "not_found")
        self.assertFalse(os.path.exists(self.database))

    def test_other_directories_are_not_databases(self):
        os.mkdir(self.database)
        self.file("a letter", "db/letter.txt")
        error = self.bad(BAD_INPUT, "stats", self.database)
        self.assertEqual(error["code"], "not_a_database")
        self.bad(BAD_INPUT, "build", self.file(POINTS), "-o", self.database, "--index", "i",
                 "--columns", "x,y")
        self.assertEqual(os.listdir(self.database), ["letter.txt"])

    def test_damaged_bytes_are_corruption(self):
        self.build("x\n" + "".join(f"{i}\n" for i in range(2000)), "x")
        self.good("checkpoint", self.database)
        segments = os.path.join(self.database, "segments")
        for name in os.listdir(segments):
            path = os.path.join(segments, name)
            size = os.path.getsize(path)
            with open(path, "r+b") as file:
                for offset in range(0, size, 64):
                    file.seek(offset)
                    byte = file.read(1)
                    file.seek(offset)
                    file.write(bytes([byte[0] ^ 0x10]))
        self.assertEqual(self.bad(CORRUPTION, "verify", self.database)["code"], "corruption")


class Processes(ToolTest):
    """What happens when a second process meets the first, or its remains."""

    def start_build_from_pipe(self, *arguments):
        process = subprocess.Popen([TOOL, "build", "-", "-o", self.database, "--index", "things",
                                    "--columns", "x,y", *arguments], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def wait_until_locked(self):
        """Tries until the builder has the directory: it must come to that, so this ends."""
        while True:
            done = run("stats", self.database, "--json")
            if done.returncode == LOCKED:
                return json.loads(done.stderr)["error"]
            self.assertIn(done.returncode, (OK, BAD_INPUT), done.stderr)

    def test_second_process_is_told_that_it_is_locked(self):
        builder = self.start_build_from_pipe()
        builder.stdin.write("x,y\n1,1\n")
        builder.stdin.flush()
        error = self.wait_until_locked()
        self.assertEqual(error["code"], "locked")
        self.assertIn("Another process", error["advice"])
        self.bad(LOCKED, "verify", self.database)
        self.bad(LOCKED, "build", self.file(POINTS), "-o", self.database, "--index", "i",
                 "--columns", "x,y")
        builder.communicate("2,2\n")
        self.assertEqual(builder.returncode, OK)
        self.assertEqual(self.query("0,0,9,9", "--count")["count"], 2)

    def test_killed_build_leaves_whole_batches(self):
        batch, written = 10, 0
        for round_number in range(1, 4):
            builder = self.start_build_from_pipe("--batch", str(batch))
            # More than a pipe and the buffers hold: by then, some batches must be in.
            rows = "".join(f"{i},{i}\n" for i in range(40000))
            builder.stdin.write("x,y\n" + rows)
            builder.stdin.flush()
            builder.send_signal(signal.SIGKILL)
            builder.wait()
            self.assertEqual(builder.returncode, -signal.SIGKILL)
            self.good("verify", self.database)
            count = self.query("-inf,-inf,inf,inf", "--count")["count"]
            with self.subTest(round_number):
                self.assertGreater(count, written)
                self.assertEqual(count % batch, 0)
            written = count
        self.build(POINTS)
        self.assertEqual(self.query("-inf,-inf,inf,inf", "--count")["count"], written + 20)


if __name__ == "__main__":
    unittest.main()

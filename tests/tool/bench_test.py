"""Runs `xtree bench`, as tool_test.py runs the other subcommands."""

import os
import unittest
import xml.etree.ElementTree

from tool_test import IO, USAGE, ToolTest


class Bench(ToolTest):
    def test_resolve_measures_every_way_and_draws_them(self):
        plot = os.path.join(self.root, "plot.svg")
        document = self.good("bench", "resolve", "--handles", "2000", "-o", plot)
        rows = document["resolution"]
        self.assertEqual({row["handles"] for row in rows}, {1000, 2000})
        ways = {row["way"] for row in rows if row["walk"] == "dependent, all"}
        self.assertEqual(ways, {"pointer", "through a swizzled reference", "bare array of words",
                                "NodeID, table, verified"})
        for row in rows:
            self.assertGreater(row["ns"], 0)
            self.assertEqual("instructions" in row, document["instructions counted"])
        with open(plot, encoding="utf-8") as file:
            drawn = xml.etree.ElementTree.fromstring(file.read())
        self.assertTrue(drawn.tag.endswith("svg"))
        names = {text.text for text in drawn.iter() if text.tag.endswith("text")}
        self.assertIn("dependent: NodeID, table, verified", names)

    def test_resolve_says_what_it_cannot_do(self):
        self.bad(USAGE, "bench")
        self.bad(USAGE, "bench", "resolve", "--handles", "10")
        self.bad(IO, "bench", "resolve", "--handles", "1000", "-o",
                 os.path.join(self.root, "no", "plot.svg"))


if __name__ == "__main__":
    unittest.main()

"""Looks at what `xtree plot` draws."""

import os
import unittest
from xml.etree import ElementTree

from tool_test import BAD_INPUT, IO, ToolTest


class Plot(ToolTest):
    def setUp(self):
        super().setUp()
        lines = "".join(f"{i * 37 % 1000},{i * 91 % 997}\n" for i in range(3000))
        self.build("x,y\n" + lines)
        self.svg = os.path.join(self.root, "tree.svg")

    def boxes(self, *arguments):
        """What was drawn, but for the paper, and what the tool says of it."""
        done = self.good("plot", self.database, "--index", "things", "-o", self.svg, *arguments)
        rectangles = ElementTree.parse(self.svg).getroot().findall("{*}rect")
        return rectangles[1:], done

    def test_every_node_is_drawn_or_those_of_one_level(self):
        index = self.good("stats", self.database)["indexes"][0]
        boxes, done = self.boxes()
        self.assertEqual(len(boxes), index["leaves"] + index["directory_nodes"])
        self.assertEqual((done["levels"], done["drawn_nodes"]), (index["height"], len(boxes)))
        self.assertEqual(len(self.boxes("--level", "0")[0]), index["leaves"])
        self.assertEqual(len(self.boxes("--level", str(index["height"] - 1))[0]), 1)

    def test_axes_turn_the_drawing(self):
        straight = [(box.get("width"), box.get("height")) for box in self.boxes()[0]]
        turned = [(box.get("height"), box.get("width")) for box in self.boxes("--axes", "1,0")[0]]
        self.assertEqual(straight, turned)

    def test_what_cannot_be_drawn_is_refused(self):
        plot = ("plot", self.database, "--index", "things", "-o", self.svg)
        for wrong in (("--level", "9"), ("--axes", "0,2"), ("--axes", "x")):
            self.assertEqual(self.bad(BAD_INPUT, *plot, *wrong)["place"], wrong[0])
        nowhere = os.path.join(self.root, "none", "tree.svg")
        error = self.bad(IO, "plot", self.database, "--index", "things", "-o", nowhere)
        self.assertEqual(error["place"], nowhere)


if __name__ == "__main__":
    unittest.main()

"""Asks `xtree nearest` in every way there is."""

import unittest

from tool_test import BAD_INPUT, POINTS, ToolTest, run


class Nearest(ToolTest):
    def setUp(self):
        super().setUp()
        self.build(POINTS, "x,y", "--id", "id")

    def arguments(self, at, *options):
        return ("nearest", self.database, "--index", "things", "--at", at, *options)

    def hits(self, at, *options):
        done = self.good(*self.arguments(at, *options))
        self.assertEqual(done["count"], len(done["hits"]))
        return [(hit["id"], round(hit["distance"], 9)) for hit in done["hits"]]

    def by(self, distance):
        """The ten points that are nearest to the origin, and how far they are."""
        hits = [(100 + i, round(distance(i, i * i), 9)) for i in range(20)]
        return sorted(hits, key=lambda hit: hit[1])[:10]

    def test_come_in_order_with_distances(self):
        hits = self.hits("3,5", "-k", "4")
        self.assertEqual([key for key, _ in hits], [102, 103, 101, 100])
        self.assertAlmostEqual(hits[0][1], 2 ** 0.5, places=8)
        text = run(*self.arguments("3,5", "-k", "4")).stdout
        self.assertIn("1.41421", text)
        self.assertIn("4 hits", text)

    def test_more_than_there_are_entries_are_all_entries(self):
        self.assertEqual(len(self.hits("0,0", "-k", "99")), 20)

    def test_every_metric_has_its_order(self):
        self.assertEqual(self.hits("0,0", "--metric", "euclidean"),
                         self.by(lambda x, y: (x * x + y * y) ** 0.5))
        self.assertEqual(self.hits("0,0", "--metric", "manhattan"), self.by(lambda x, y: x + y))
        self.assertEqual(self.hits("0,0", "--metric", "chebyshev"), self.by(max))
        self.assertEqual(self.hits("0,0", "--weights", "9,0.5"),
                         self.by(lambda x, y: (9 * x * x + y * y / 2) ** 0.5))

    def test_a_maximum_distance_ends_the_answer_at_that_distance(self):
        manhattan = self.by(lambda x, y: x + y)
        for count in (1, 2, 5):
            farthest = str(manhattan[count - 1][1])
            hits = self.hits("0,0", "--metric", "manhattan", "--max-distance", farthest)
            self.assertEqual(hits, manhattan[:count])

    def test_what_means_nothing_is_refused(self):
        for at, options, words in (
                ("1,2,3", (), "needs 2 numbers"),
                ("0,0", ("--max-distance", "-1"), "negative"),
                ("0,0", ("--weights", "1,-1"), "negative"),
                ("0,0", ("--weights", "1"), "needs 2 numbers"),
                ("0,0", ("--weights", "1,x"), "'x' is not a number"),
                ("0,0", ("--metric", "manhattan", "--weights", "1,1"), "Euclidean")):
            with self.subTest(options):
                error = self.bad(BAD_INPUT, *self.arguments(at, *options))
                self.assertIn(words, error["message"])


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""Plants one fault after the other in a small tree and asks style.py for exactly that fault."""
import os
import tempfile
import unittest

import style

GOOD = {
    "CMakeLists.txt": "add_library(xtree src/wal/frame.cc)\n",
    "include/xtree/box.h": "// Box.\n#pragma once\n\n#include <new>\n\n"
                           '#include "xtree/point.h"\n',
    "src/wal/frame.h": "// Frame: one record of the log.\n#pragma once\n",
    "src/wal/frame.cc": '#include "wal/frame.h"\n\n#include <cstdio>\n\n'
                        '#include "platform/posix.h"\n#include "xtree/box.h"\n\n'
                        "// Here new things and a throw stand in a comment only.\n"
                        'const char* text = "throw new";\n'
                        "std::unique_ptr<Frame> make() {\n"
                        "  std::unique_ptr<Frame> frame(\n      new Frame());\n"
                        "  ::new (place) Frame();\n  return frame;\n}\n",
    "tests/wal/CMakeLists.txt": "xtree_test(frame_test frame_test.cc)\n",
    "tests/wal/frame_test.cc": '#include "wal/frame.h"\n',
    "README.md": "# XTree\n\nData are in data/work/x, or see https://example.org/" + "x" * 90 + "\n",
}

# rule, file, text that is added to its end
PLANTED = [
    ("include_points_down", "src/wal/frame.cc", '#include "index/tree.h"\n'),
    ("include_points_down", "src/wal/frame.cc", '  #  include "persistence/segment.h"\n'),
    ("include_points_down", "src/wal/frame.cc", '#include "../index/tree.h"\n'),
    ("include_points_down", "src/wal/frame.cc", '#include "frame.h"\n'),
    ("include_points_down", "src/utils/strings.h", "// Strings.\n#pragma once\n"),
    ("include_points_down", "tools/main.inc", '#include "wal/frame.h"\n'),
    ("public_header_includes_little", "include/xtree/box.h", "#include <functional>\n"),
    ("public_header_includes_little", "include/xtree/box.h", "#include <boost/geometry.hpp>\n"),
    ("public_header_includes_little", "include/xtree/box.h", "#include <unistd.h>\n"),
    ("public_header_includes_little", "include/xtree/box.h", '#include "detail/box.h"\n'),
    ("file_is_short", "src/wal/frame.h", "int x;\n" * 500),
    ("line_is_short", "src/wal/frame.h", "//" + " x" * 50 + "\n"),
    ("line_is_short", "README.md", "word " * 20 + "more\n"),
    ("line_is_clean", "src/wal/frame.h", "int x; \n"),
    ("line_is_clean", "src/wal/frame.h", "int x;\r\n"),
    ("line_is_clean", "src/wal/frame.h", "\tint x;\n"),
    ("nothing_is_unfinished", "src/wal/frame.h", "// TO" + "DO: the rest\n"),
    ("nothing_is_unfinished", "README.md", "A place" + "holder.\n"),
    ("nothing_is_unfinished", "tests/wal/CMakeLists.txt", "# St" + "ub.\n"),
    ("no_machine_path", "README.md", "See " + "/root" + "/notes.\n"),
    ("no_machine_path", "src/wal/frame.h", 'const char* path = "/ho' + 'me/me";\n'),
    ("no_ruler", "src/wal/frame.h", "// " + "-" * 60 + "\n"),
    ("no_ruler", "tests/wal/CMakeLists.txt", "#" * 60 + "\n"),
    ("header_has_its_guard", "src/wal/bare.h", "// Bare.\nint x;\n"),
    ("header_has_its_guard", "src/wal/silent.h", "#pragma once\n"),
    ("library_keeps_its_promises", "src/wal/frame.cc", "void f() { throw 1; }\n"),
    ("library_keeps_its_promises", "src/wal/frame.cc", "int* p = new int;\n"),
    ("library_keeps_its_promises", "src/wal/frame.cc", "int* p = new (std::nothrow) int;\n"),
    ("library_keeps_its_promises", "src/wal/frame.cc", "void f(int* p) { delete p; }\n"),
    ("library_keeps_its_promises", "include/xtree/box.h", "inline thread_local int x;\n"),
    ("library_keeps_its_promises", "src/wal/frame.cc", "void f() { std::cerr << 1; }\n"),
    ("test_does_not_sleep", "tests/wal/frame_test.cc", "void f() { sleep_for(one_second); }\n"),
    ("sources_are_listed_by_name", "tests/wal/CMakeLists.txt", "file( GLOB all *.cc)\n"),
    ("unlisted_sources", "src/wal/alone.cc", "int x;\n"),
    ("unlisted_sources", "src/wal/me.cc", "int x;\n"),  # the end of a listed name is not that name
]


def faults_with(path=None, text=""):
    with tempfile.TemporaryDirectory() as root:
        tree = dict(GOOD)
        if path:
            tree[path] = tree.get(path, "") + text
        for name, content in tree.items():
            os.makedirs(os.path.dirname(os.path.join(root, name)), exist_ok=True)
            with open(os.path.join(root, name), "w", encoding="utf-8", newline="") as stream:
                stream.write(content)
        return list(style.check(root))


class StyleTest(unittest.TestCase):
    def test_a_good_tree_has_no_fault(self):
        self.assertEqual(faults_with(), [])

    def test_each_planted_fault_is_found_in_its_place_and_alone(self):
        for rule, path, text in PLANTED:
            with self.subTest(rule=rule, path=path, text=text[:40]):
                found = {(fault[2], fault[0]) for fault in faults_with(path, text)}
                self.assertEqual(found, {(rule, path)})

    def test_the_line_of_a_fault_is_told(self):
        faults = faults_with("src/wal/frame.h", "\n#include \"index/tree.h\"\n")
        self.assertEqual([(fault[0], fault[1]) for fault in faults], [("src/wal/frame.h", 4)])

    def test_every_rule_is_planted(self):
        planted = {rule for rule, _, _ in PLANTED}
        self.assertEqual(planted, {rule.__name__ for rule in style.RULES} | {"unlisted_sources"})


if __name__ == "__main__":
    unittest.main()

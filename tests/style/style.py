#!/usr/bin/env python3
"""Checks the rules of design/house.md that a program can check.

    style.py ROOT      prints "file:line: rule: what is wrong" for each fault; exit code 1 if any

Each rule is a function from a source file to its faults; style_test.py plants one fault for each.
"""
import os
import re
import sys

LAYERS = ["platform", "wal", "persistence", "index", "testing"]  # each may include those before it
FOLDERS = ["include", "src", "tools", "examples", "tests", "bench", "cmake", "data", "design",
           "packaging", "scripts", ".ci"]
CODE = (".h", ".cc", ".inc")
TEXT = CODE + (".cmake", ".txt", ".py", ".sh", ".md", ".json", ".in", "run", ".clang-tidy")
BANNED_HEADERS = {"filesystem", "functional", "chrono", "thread", "iostream", "ranges"}
MAX_LINES = 500
MAX_COLUMNS = 100
# The brackets keep these lines from finding themselves.
UNFINISHED = re.compile(r"\b(to[d]o|fixm[e]|stu[b]|placeholde[r]|for no[w]|not implemente[d]|"
                        r"unimplemente[d]|hac[k])\b", re.IGNORECASE)
MACHINE_PATH = re.compile(r"(?<![\w.$}\])])/(work|root|home|Users)/\w")
RULER = re.compile(r"^\s*(//|#|\*)\s*([-=*#/~])\2{3,}\s*$")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
# The library throws nothing, owns by value or smart pointer, and shares nothing between databases.
FORBIDDEN_IN_LIBRARY = [
    (re.compile(r"\bthrow\b"), "the library throws nothing"),
    (re.compile(r"(?<!::)(?<!operator )\bnew\b"), "no naked new: make_unique or a container"),
    (re.compile(r"\bdelete\s+\w"), "no naked delete"),
    (re.compile(r"\bthread_local\b"), "no thread-locals in the engine"),
    (re.compile(r"\bstd::(cout|cerr|clog)\b|\bprintf\s*\("), "the library prints nothing"),
]
# A class whose constructor is private makes itself so; and so does who must not throw.
OWNED_NEW = re.compile(r"((unique|shared)_ptr<[^;]*|\breset)[({]\s*(::)?new\b")
SLEEP = re.compile(r"\b(sleep_for|sleep_until|usleep|nanosleep|sleep)\s*\(")
GLOB = re.compile(r"\bfile\s*\(\s*GLOB", re.IGNORECASE)


class File:
    def __init__(self, root, path):
        self.path = path
        self.parts = path.split("/")
        with open(os.path.join(root, path), encoding="utf-8", newline="") as stream:
            self.lines = stream.read().split("\n")
        if self.lines[-1] == "":
            self.lines.pop()

    def is_code(self):
        return self.path.endswith(CODE)

    def below(self, *folders):
        return self.parts[0] in folders

    def numbered(self):
        return enumerate(self.lines, 1)

    def code_lines(self):
        """Lines that are no includes, without comments and without the contents of strings."""
        for number, line in self.numbered():
            if INCLUDE.match(line):
                continue
            yield number, re.sub(r'"(\\.|[^"\\])*"', '""', line).split("//")[0]

    def includes(self):
        for number, line in self.numbered():
            found = INCLUDE.match(line)
            if found:
                yield number, found.group(1) == "<", found.group(2)


def include_points_down(file):
    if not (file.is_code() and file.below("include", "src", "tools", "examples")):
        return
    layer = file.parts[1] if file.below("src") else None
    if layer is not None and layer not in LAYERS:
        yield 1, f"src/{layer} is not a layer"
        return
    allowed = LAYERS[:LAYERS.index(layer) + 1] if layer else []
    for number, angled, name in file.includes():
        first = name.split("/")[0]
        if not angled and first in LAYERS and first not in allowed:
            yield number, f"{'/'.join(file.parts[:2])} must not include {first}"
        elif not angled and first == ".." or "/../" in name:
            yield number, "paths of includes start at src/ or include/"
        elif not angled and layer and first not in allowed + ["xtree"]:
            yield number, f"{name} is in no layer: write its path from src/ or include/"


def public_header_includes_little(file):
    if not (file.is_code() and file.below("include")):
        return
    for number, angled, name in file.includes():
        if angled and (name in BANNED_HEADERS or re.search(r"[./]", name)):
            yield number, f"<{name}> does not belong into a public header"
        elif not angled and not name.startswith("xtree/"):
            yield number, f"{name} is not a public header"


def file_is_short(file):
    limited = file.below("include", "src", "tools", "examples", "tests", "bench", "scripts")
    if limited and len(file.lines) > MAX_LINES:
        yield MAX_LINES + 1, f"{len(file.lines)} lines are more than {MAX_LINES}"


def line_is_short(file):
    if file.path.endswith(".json"):
        return
    for number, line in file.numbered():
        if line.startswith("|") and file.path.endswith(".md"):
            continue  # a table's row
        if len(line) > MAX_COLUMNS and "://" not in line:
            yield number, f"{len(line)} columns are more than {MAX_COLUMNS}"


def line_is_clean(file):
    for number, line in file.numbered():
        if "\t" in line and file.is_code():
            yield number, "a tab"
        if line != line.rstrip() or "\r" in line:
            yield number, "white space at the end of the line"


def nothing_is_unfinished(file):
    for number, line in file.numbered():
        found = UNFINISHED.search(line)
        if found:
            yield number, f'"{found.group(0)}": finish it or say what it is'


def no_machine_path(file):
    for number, line in file.numbered():
        found = MACHINE_PATH.search(line)
        if found:
            yield number, f"{found.group(0)}...: a path of one machine"


def no_ruler(file):
    if file.path.endswith(".md"):
        return
    for number, line in file.numbered():
        if RULER.match(line):
            yield number, "a ruler"


def header_has_its_guard(file):
    if not file.path.endswith(".h"):
        return
    if "#pragma once" not in file.lines:
        yield 1, "no #pragma once"
    elif not file.lines[0].startswith("//"):
        yield 1, "a header starts with a line that says what it is for"


def library_keeps_its_promises(file):
    if not (file.is_code() and file.below("include", "src")):
        return
    before = ""
    for number, line in file.code_lines():
        owned = OWNED_NEW.search(before.strip() + line.strip())
        for pattern, text in FORBIDDEN_IN_LIBRARY:
            if pattern.search(line) and not (owned and "new" in text):
                yield number, text
        before = line


def test_does_not_sleep(file):
    if not (file.is_code() and file.below("tests")):
        return
    for number, line in file.code_lines():
        if SLEEP.search(line):
            yield number, "a test waits for what happens, not for the clock"


def sources_are_listed_by_name(file):
    if file.parts[-1] != "CMakeLists.txt" and not file.path.endswith(".cmake"):
        return
    for number, line in file.numbered():
        if GLOB.search(line):
            yield number, "sources are listed by name"


RULES = [include_points_down, public_header_includes_little, file_is_short, line_is_short,
         line_is_clean, nothing_is_unfinished, no_machine_path, no_ruler, header_has_its_guard,
         library_keeps_its_promises, test_does_not_sleep, sources_are_listed_by_name]


WRITTEN_BY_PROGRAMS = ("__pycache__", "results")


def find_files(root):
    paths = [name for name in sorted(os.listdir(root)) if os.path.isfile(os.path.join(root, name))]
    for top in FOLDERS:
        for folder, subfolders, names in os.walk(os.path.join(root, top)):
            subfolders[:] = sorted(name for name in subfolders if name not in WRITTEN_BY_PROGRAMS)
            paths += [os.path.relpath(os.path.join(folder, name), root) for name in sorted(names)]
    return [File(root, path) for path in paths if path.endswith(TEXT)]


def unlisted_sources(files):
    """A source that no CMake file names is never compiled, and rots."""
    lists = "\n".join(line for file in files if file.parts[-1] == "CMakeLists.txt"
                      or file.path.endswith(".cmake") for line in file.lines)
    for file in files:
        name = file.parts[-1]
        if name.endswith(".cc") and not re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", lists):
            yield file, 1, "no CMake file names it"


def check(root):
    files = find_files(root)
    for file in files:
        for rule in RULES:
            for number, text in rule(file):
                yield file.path, number, rule.__name__, text
    for file, number, text in unlisted_sources(files):
        yield file.path, number, "unlisted_sources", text


def main():
    faults = list(check(sys.argv[1]))
    for path, number, rule, text in faults:
        print(f"{path}:{number}: {rule}: {text}")
    print(f"{len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""What a public header asks of those who include it.

    headers.py compile ROOT COMPILER   each header alone, in every mode that users compile in
    headers.py cost ROOT COMPILER      xtree/index.h stays cheap: its lines after preprocessing
"""
import concurrent.futures
import itertools
import os
import subprocess
import sys

STANDARDS = ["-std=c++20", "-std=c++2b"]
RUNTIMES = [[], ["-fno-exceptions", "-fno-rtti"]]
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wno-sign-conversion",
            "-Wnon-virtual-dtor", "-Werror"]
# A header is cheap while including it costs no more than this.
MAX_INDEX_LINES = 45000


def find_headers(include):
    found = []
    for folder, _, names in os.walk(os.path.join(include, "xtree")):
        found += [os.path.relpath(os.path.join(folder, name), include) for name in names]
    return sorted(name for name in found if name.endswith(".h"))


def run(command, text):
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def compile_all(root, compiler):
    include = os.path.join(root, "include")
    # Twice, because that must be as good as once.
    programs = {name: f'#include "{name}"\n#include "{name}"\n' for name in find_headers(include)}
    if "xtree/index.h" not in programs:
        print(f"no public headers below {include}")
        return 1
    # Headers that are included prove little about templates: these programs use them.
    consumers = os.path.join(root, "tests/package/consumer")
    for name in sorted(os.listdir(consumers)):
        if name.endswith(".cc"):
            with open(os.path.join(consumers, name), encoding="utf-8") as stream:
                programs[name] = stream.read()

    def attempt(job):
        name, standard, runtime = job
        command = [compiler, "-x", "c++", "-fsyntax-only", "-I", include, standard]
        code, _, errors = run(command + runtime + WARNINGS + ["-"], programs[name])
        return code, f"{' '.join([name, standard] + runtime)}\n{errors}"

    jobs = list(itertools.product(programs, STANDARDS, RUNTIMES))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        failed = [text for code, text in pool.map(attempt, jobs) if code != 0]
    print("\n".join(failed))
    print(f"{len(programs)} texts, {len(jobs)} compilations, {len(failed)} failed")
    return 1 if failed else 0


def measure(root, compiler):
    include = os.path.join(root, "include")
    command = [compiler, "-x", "c++", "-std=c++20", "-E", "-P", "-I", include, "-"]
    code, output, errors = run(command, '#include "xtree/index.h"\n')
    lines = output.count("\n")
    print(f"{errors}xtree/index.h: {lines} lines, at most {MAX_INDEX_LINES}")
    return 1 if code != 0 or not 0 < lines <= MAX_INDEX_LINES else 0


if __name__ == "__main__":
    sys.exit({"compile": compile_all, "cost": measure}[sys.argv[1]](sys.argv[2], sys.argv[3]))

#!/usr/bin/env python3
"""Does what the README shows: compiles its programs, runs them, and compares what they print.

    readme_test.py ROOT WORK COMPILER LIBRARY FLAG...

A flag may be a library that the library needs.
"""
import os
import re
import shutil
import subprocess
import sys


def blocks(text):
    """Pairs of a program and what it prints."""
    pattern = r"```cpp\n(.*?)```\n+```text\n(.*?)```"
    return re.findall(pattern, text, re.DOTALL)


def commands(text):
    return re.findall(r"^(scripts/\S+|\.ci/\S+)", text, re.MULTILINE)


def links(text):
    return [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]


def run_program(number, source, expected, root, work, compiler, library, flags):
    program = os.path.join(work, f"program{number}")
    with open(program + ".cc", "w", encoding="utf-8") as stream:
        stream.write(source)
    command = [compiler, "-std=c++20", "-Wall", "-Wextra", "-Werror",
               "-I", os.path.join(root, "include"), program + ".cc", library, *flags,
               "-Wl,-rpath," + os.path.dirname(library), "-o", program]
    subprocess.run(command, check=True)
    done = subprocess.run([program], cwd=work, capture_output=True, text=True, check=False)
    if done.returncode == 0 and done.stdout == expected:
        return 0
    print(f"program {number}: exit code {done.returncode}\n{done.stderr}"
          f"it prints:\n{done.stdout}the README says:\n{expected}")
    return 1


def main():
    root, work, compiler, library = sys.argv[1:5]
    with open(os.path.join(root, "README.md"), encoding="utf-8") as stream:
        text = stream.read()
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    failures = 0
    programs = blocks(text)
    if len(programs) != 2 or text.count("```cpp") != 2:
        print("the README has a program for each mode, and what it prints behind it")
        failures += 1
    for number, (source, expected) in enumerate(programs, 1):
        failures += run_program(number, source, expected, root, work, compiler, library,
                                sys.argv[5:])
    for name in commands(text):
        if not os.access(os.path.join(root, name), os.X_OK):
            print(f"{name} is no command")
            failures += 1
    for name in links(text):
        if not os.path.exists(os.path.join(root, name)):
            print(f"{name} does not exist")
            failures += 1
    print(f"{len(programs)} programs, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

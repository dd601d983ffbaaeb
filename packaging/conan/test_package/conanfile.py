"""Builds and runs the consumer of tests/package against the package that was made."""
import os

from conan import ConanFile
from conan.tools.build import can_run
from conan.tools.cmake import CMake, cmake_layout


class XTreeTestConan(ConanFile):
    settings = "os", "arch", "compiler", "build_type"
    generators = "CMakeDeps", "CMakeToolchain"

    def requirements(self):
        self.requires(self.tested_reference_str)

    def layout(self):
        cmake_layout(self)

    def build(self):
        cmake = CMake(self)
        cmake.configure(build_script_folder=os.path.join(
            self.recipe_folder, "..", "..", "..", "tests", "package", "find_package"))
        cmake.build()

    def test(self):
        if not can_run(self):
            return
        for program in ("main", "templates"):
            command = os.path.join(self.cpp.build.bindir, program)
            directory = os.path.join(self.build_folder, f"{program}.xtree")
            self.run(f'"{command}" "{directory}"', env="conanrun")

"""Conan recipe: `conan create packaging/conan` builds the checkout that it lies in."""
import os
import re

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load, rmdir


class XTreeConan(ConanFile):
    name = "xtree"
    description = "An embedded spatial index: an X-tree in memory, or durable with snapshots"
    license = "Apache-2.0"
    topics = ("spatial-index", "x-tree", "r-tree", "embedded", "database")
    package_type = "library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"shared": [True, False], "fPIC": [True, False], "with_lz4": [True, False],
               "with_zstd": [True, False]}
    default_options = {"shared": False, "fPIC": True, "with_lz4": False, "with_zstd": False}
    implements = ["auto_shared_fpic"]

    def _checkout(self):
        return os.path.join(self.recipe_folder, "..", "..")

    def set_version(self):
        text = load(self, os.path.join(self._checkout(), "include", "xtree", "config.h"))
        self.version = ".".join(re.findall(r"#define XTREE_VERSION_[A-Z]+ (\d+)", text))

    def export_sources(self):
        for folder in ("cmake", "include", "src"):
            copy(self, f"{folder}/*", self._checkout(), self.export_sources_folder)
        for name in ("CMakeLists.txt", "LICENSE"):
            copy(self, name, self._checkout(), self.export_sources_folder)

    def validate(self):
        check_min_cppstd(self, 20)
        if self.settings.os != "Linux":
            raise ConanInvalidConfiguration("xtree is for Linux")

    def requirements(self):
        if self.options.with_lz4:
            self.requires("lz4/[>=1.9 <2]")
        if self.options.with_zstd:
            self.requires("zstd/[>=1.5 <2]")

    def layout(self):
        cmake_layout(self)

    def generate(self):
        toolchain = CMakeToolchain(self)
        for part in ("TESTS", "TOOL", "EXAMPLES", "WERROR"):
            toolchain.cache_variables[f"XTREE_{part}"] = False
        toolchain.cache_variables["XTREE_INSTALL"] = True
        toolchain.cache_variables["XTREE_LZ4"] = bool(self.options.with_lz4)
        toolchain.cache_variables["XTREE_ZSTD"] = bool(self.options.with_zstd)
        toolchain.generate()
        CMakeDeps(self).generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        CMake(self).install()
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        # Conan writes these for its users itself.
        rmdir(self, os.path.join(self.package_folder, "lib", "cmake"))
        rmdir(self, os.path.join(self.package_folder, "lib", "pkgconfig"))

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "xtree")
        self.cpp_info.set_property("cmake_target_name", "xtree::xtree")
        self.cpp_info.set_property("pkg_config_name", "xtree")
        self.cpp_info.libs = ["xtree"]
        if not self.options.shared:
            self.cpp_info.defines = ["XTREE_STATIC"]
            self.cpp_info.system_libs = ["pthread"]

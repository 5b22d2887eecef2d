"""Conan 2: `conan create packaging/conan` in a tree of normalize.h, then
requires("normalize/[>=0.2 <1]") and find_package(normalize), normalize::normalize."""
import os
import re

from conan import ConanFile
from conan.tools.files import copy, load
from conan.tools.layout import basic_layout

TOP = os.path.join("..", "..")


class Normalize(ConanFile):
    name = "normalize"
    description = "Batch, layer, instance, group and RMS normalization in one C header"
    license = "MIT OR Unlicense"
    topics = ("normalization", "batchnorm", "layernorm", "rmsnorm", "simd", "header-only")
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    no_copy_source = True

    def set_version(self):
        header = load(self, os.path.join(self.recipe_folder, TOP, "normalize.h"))
        self.version = ".".join(re.findall(
            r"^#define NRM_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)$", header, re.M))

    def export_sources(self):
        for name in ("normalize.h", "LICENSE"):
            copy(self, name, os.path.join(self.recipe_folder, TOP), self.export_sources_folder)

    def layout(self):
        basic_layout(self)

    def package_id(self):
        self.info.clear()

    def package(self):
        copy(self, "normalize.h", self.source_folder, os.path.join(self.package_folder, "include"))
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "normalize")
        self.cpp_info.set_property("cmake_target_name", "normalize::normalize")
        self.cpp_info.set_property("pkg_config_name", "normalize")
        self.cpp_info.bindirs = []
        self.cpp_info.libdirs = []
        if self.settings.os != "Windows":
            self.cpp_info.system_libs = ["m"]

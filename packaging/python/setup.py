"""Builds two small shared libraries, loaded by ctypes: no header of Python or numpy is needed, and
one wheel serves every Python 3. normalize.h is copied from the top of its tree, which is its one
place; an sdist carries the copies."""
import pathlib
import re
import shutil
import sys

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:  # before 70.1
    from wheel.bdist_wheel import bdist_wheel

HERE = pathlib.Path(__file__).resolve().parent
COPIES = ["normalize.h"] + [f"tests/support/{name}.h" for name in ("ref", "gen", "test", "types")]


def copy_from_tree():
    top = HERE.parents[1]
    if not (top / "packaging" / "python" / "setup.py").is_file():
        return  # an sdist
    for name in COPIES:
        (HERE / "c" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(top / name, HERE / "c" / name)
    shutil.copyfile(top / "LICENSE", HERE / "LICENSE")


def version():
    header = (HERE / "c" / "normalize.h").read_text(encoding="ascii")
    return ".".join(re.findall(r"^#define NRM_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)$", header, re.M))


class BuildLibraries(build_ext):
    """Extensions of Python, but that they are none: plain names, and nothing to export."""

    def get_ext_filename(self, name):
        return str(pathlib.Path(*name.split("."))) + (".dll" if sys.platform == "win32" else ".so")

    def get_export_symbols(self, extension):
        return []


class AnyPython(bdist_wheel):
    def finalize_options(self):
        super().finalize_options()
        self.root_is_pure = False

    def get_tag(self):
        return "py3", "none", super().get_tag()[2]


def library(name):
    windows = sys.platform == "win32"
    return Extension(
        f"normalize_h._{name}", [f"c/{name}.c"], include_dirs=["c"],
        depends=[f"c/{copy}" for copy in COPIES],
        extra_compile_args=(["/O2"] if windows else
                            ["-O2", "-g0", "-fvisibility=hidden", "-pthread"]),
        extra_link_args=[] if windows else ["-pthread"], libraries=[] if windows else ["m"])


copy_from_tree()
setup(version=version(), ext_modules=[library("library"), library("oracle")],
      cmdclass={"build_ext": BuildLibraries, "bdist_wheel": AnyPython})

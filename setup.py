"""Drive the native build: one extension, `rollout._native`, from csrc/ and bindings/pybind/.

ROLLOUT_WERROR=1 turns warnings into errors (CI sets it); ROLLOUT_SANITIZE is for tests/sanitize.py.
"""

import os
from pathlib import Path

from pybind11.setup_helpers import ParallelCompile, Pybind11Extension, build_ext
from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
SOURCES = sorted(
    str(path.relative_to(ROOT))
    for folder in ("csrc", "bindings/pybind")
    for path in (ROOT / folder).rglob("*.cc")
)
HEADERS = sorted(
    str(path.relative_to(ROOT))
    for folder in ("csrc", "bindings/pybind")
    for path in (ROOT / folder).rglob("*.h")
)

# the baseline is portable x86-64; wider kernels carry a target attribute, chosen at run time.
# contraction is off everywhere: some environments promise the exact bits of another package.
FLAGS = ["-O3", "-ffp-contract=off", "-fno-math-errno", "-Wall", "-Wextra", "-pthread", "-MMD"]
if os.environ.get("ROLLOUT_WERROR") == "1":
    FLAGS.append("-Werror")

# tests/sanitize.py builds once more, elsewhere, with the words it puts here in place of -O3
if words := os.environ.get("ROLLOUT_SANITIZE", "").split():
    FLAGS += words


def stale(obj: str, src: str) -> bool:
    """Return whether `obj` is older than this file, its source, or a header that it was made from.

    Which headers those are stands beside it, in the make rule that -MMD wrote.
    """
    rule = Path(obj).with_suffix(".d")
    if not os.path.exists(obj) or not rule.exists():
        return True
    built = os.path.getmtime(obj)
    parts = rule.read_text().replace("\\\n", " ").partition(": ")[2].split()
    made_from = [src, __file__, *(part for part in parts if not os.path.isabs(part))]
    return any(not os.path.exists(path) or os.path.getmtime(path) > built for path in made_from)


class BuildExt(build_ext):
    """Keep the object files of an editable build, so that the next one compiles what changed."""

    def finalize_options(self) -> None:
        """Replace the temporary folder that setuptools gives an editable build."""
        super().finalize_options()
        if self.inplace or self.editable_mode:
            self.build_temp = "build/inplace"


class BuildPy(build_py):
    """Carry the headers that plug-ins are compiled with; an editable install has them in csrc."""

    def run(self) -> None:
        """Copy them beside the package's modules."""
        super().run()
        if not self.editable_mode:
            self.copy_tree("csrc/include", os.path.join(self.build_lib, "rollout", "include"))


native = Pybind11Extension(
    "rollout._native",
    SOURCES,
    include_dirs=["csrc", "bindings/pybind"],
    depends=HEADERS,
    cxx_std=20,
    extra_compile_args=FLAGS,
    extra_link_args=["-pthread", *words],
)

with ParallelCompile("ROLLOUT_BUILD_JOBS", default=0, needs_recompile=stale):
    setup(ext_modules=[native], cmdclass={"build_ext": BuildExt, "build_py": BuildPy})

"""The Cython extensions; everything else about the package stands in pyproject.toml.

`TESLAFAST_SANITIZE=1` builds them with AddressSanitizer and UBSan (for fuzzing), `TESLAFAST_LINETRACE=1` with line tracing.
Each wheel is for one CPython version (no abi3: it costs a quarter of the speed in code like this).
"""

import os
import zipfile
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_py import build_py

SANITIZE = os.environ.get("TESLAFAST_SANITIZE") == "1"
LINETRACE = os.environ.get("TESLAFAST_LINETRACE") == "1"

MODULES = (
    "teslafast._crc32c",
    "teslafast._fanout",
    "teslafast.cluster._apply",
    "teslafast.cluster._batch",
    "teslafast.cluster._deliveries",
    "teslafast.cluster._plain",
    "teslafast.core._overlay",
    "teslafast.dashboards._teslamate_rows",
    "teslafast.protocol._wire",
    "teslafast.server._tls_chains",
    "teslafast.server._tls_messages",
    "teslafast.server._tls_sessions",
    "teslafast.storage._mapping",
    "teslafast.storage._recover",
    "teslafast.websocket._ends",
    "teslafast.websocket._frame_limit",
    "teslafast.websocket._transport",
)

# Cython's generated C trips -Wextra's unused-parameter and missing-field-initializers by design; all else is on.
WARNINGS = ["-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-missing-field-initializers", "-Wno-cast-function-type"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-omit-frame-pointer", "-g"]

extensions = [
    Extension(
        name,
        [f"{name.replace('.', '/')}.pyx"],
        extra_compile_args=WARNINGS + (["-O1", *SANITIZERS] if SANITIZE else ["-O3", "-g0"]),
        extra_link_args=SANITIZERS if SANITIZE else [],
        define_macros=[("CYTHON_TRACE_NOGIL", "1")] if LINETRACE else [],
    )
    for name in MODULES
]

# A module is compiled anew when a header changes that it may see: Cython's own tracking misses relative cimports, and a module
# built against another module's old layout crashes.
HEADERS = [path.stat().st_mtime for path in Path("teslafast").rglob("*.px[di]")]
STALE = any(path.stat().st_mtime < max(HEADERS) for path in Path("teslafast").rglob("*.c"))

# What an image is built from besides the Python files, which a wheel has anyway: teslafast/setup/image_source.py unpacks it.
IMAGE_FILES = [Path(name) for name in ("Dockerfile", "fly.toml", "pyproject.toml", "setup.py", "README.md", "LICENSE")]


class BuildWithImageSource(build_py):
    """Packs it into every wheel, so that an installed teslafast can deploy itself; not in an image, which deploys nothing."""

    def run(self) -> None:
        super().run()
        if self.editable_mode or not all(path.exists() for path in IMAGE_FILES):
            return
        sources = [path for pattern in ("*.pyx", "*.pxd", "*.pxi") for path in sorted(Path("teslafast").rglob(pattern))]
        with zipfile.ZipFile(Path(self.build_lib) / "teslafast/setup/image.zip", "w", zipfile.ZIP_DEFLATED) as packed:
            for path in [*IMAGE_FILES, *sources]:
                packed.writestr(zipfile.ZipInfo(path.as_posix()), path.read_bytes(), zipfile.ZIP_DEFLATED)  # no time in it


setup(
    cmdclass={"build_py": BuildWithImageSource},
    ext_modules=cythonize(
        extensions,
        force=STALE,
        compiler_directives={
            "language_level": "3",
            "embedsignature": False,
            "boundscheck": LINETRACE or SANITIZE,
            "wraparound": False,
            "cdivision": True,
            "linetrace": LINETRACE,
            "warn.unused": True,
        },
    ),
)

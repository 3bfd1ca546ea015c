"""
Coverage-guided fuzzing of the codec under AddressSanitizer and UBSan: `python -m tests.programs.fuzz_wire [SECONDS]`.

It needs clang and the `atheris` package (libFuzzer for Python; its wheel brings the sanitizers' runtime). The compiled module is
built once more, instrumented, beside a copy of the package in a temporary folder, and fuzzed there in a child process. The corpus
starts from the recorded examples and is kept in `.hypothesis/fuzz`. A finding ends the run with libFuzzer's report and the input.

The laws, for any bytes: reading ends with a value or Malformed; what was read can be printed as JSON; flat and fleet are of one
mind, and upb too, about what is a message; nothing outside the buffer is read (an array of its size: the sanitizer sees its end).
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from array import array
from importlib import import_module
from pathlib import Path

from tests.support import ROOT

CORPUS = ROOT / ".hypothesis" / "fuzz"
FLAGS = "-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined"


def fuzz_one(data: bytes) -> None:
    """The first byte chooses what the rest is."""
    import orjson
    from teslafast.errors import Malformed
    from teslafast.protocol import _wire

    from tests.support import oracle

    topics = sorted(_wire.TOPICS)
    choice, foreign = data[:1] or b"\0", array("B", data[1:])
    if choice[0] % 8 < len(topics):
        topic = topics[choice[0] % 8]
        accepted = []
        for shape in (_wire.FLAT, _wire.FLEET):
            try:
                orjson.dumps(_wire.read_record(topic, foreign, "VIN", shape).body)
                accepted.append(True)
            except Malformed:
                accepted.append(False)
        try:
            oracle.parse(topic, data[1:])
            accepted.append(True)
        except oracle.Refused:
            accepted.append(False)
        assert len(set(accepted)) == 1, accepted
    else:
        try:
            envelope = _wire.read_envelope(foreign)
        except Malformed:
            return
        _wire.ack(envelope.txid, envelope.topic)
        _wire.read_reply(_wire.error_reply(envelope.txid))


def seed() -> None:
    """The recorded frames, whole, and their payloads, under each of the choices."""
    CORPUS.mkdir(parents=True, exist_ok=True)
    for case in json.loads((ROOT / "tests" / "examples.json").read_text())["cases"]:
        for number, sent in enumerate(case["sent"]):
            frame = bytes.fromhex(sent.get("hex", ""))
            (CORPUS / f"{case['id']}-{number}").write_bytes(b"\7" + frame)


def build(folder: Path) -> None:
    """A copy of the package with an instrumented codec in it."""
    shutil.copytree(ROOT / "teslafast", folder / "teslafast", ignore=shutil.ignore_patterns("*.so", "*.c", "__pycache__"))
    source = folder / "_wire.c"
    subprocess.run([sys.executable, "-m", "cython", "-3", folder / "teslafast" / "_wire.pyx", "-o", source], check=True)
    target = folder / "teslafast" / f"_wire{sysconfig.get_config_var('EXT_SUFFIX')}"
    include = sysconfig.get_path("include")
    subprocess.run(["clang", "-shared", "-fPIC", *FLAGS.split(), f"-I{include}", "-w", source, "-o", target], check=True)


def run(seconds: int) -> int:
    seed()
    with tempfile.TemporaryDirectory() as name:
        build(Path(name))
        environment = os.environ | {
            "LD_PRELOAD": str(Path(import_module("atheris").path()) / "asan_with_fuzzer.so"),
            "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",  # the interpreter itself leaks at its end
            "PYTHONMALLOC": "malloc",  # or the sanitizer sees one arena instead of objects
            "PYTHONPATH": f"{name}:{ROOT}",
        }
        arguments = [f"-max_total_time={seconds}", "-max_len=600", "-rss_limit_mb=2048", "-timeout=10", "-print_final_stats=1"]
        return subprocess.run(
            [sys.executable, __file__, "--child", *arguments, str(CORPUS)], env=environment, cwd=name
        ).returncode


if __name__ == "__main__":
    if "--child" in sys.argv:
        atheris = import_module("atheris")  # it has no types
        atheris.Setup([argument for argument in sys.argv if argument != "--child"], fuzz_one)
        atheris.Fuzz()
    sys.exit(run(int(sys.argv[1]) if sys.argv[1:] else 600))

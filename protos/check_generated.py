"""Fail when the committed code of `understudy/v1` is not what its `.proto` files generate.

Called with the Python of an environment that holds `protos/requirements.txt`. Generates into a copy, so that
a check never changes the tree.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent


def generated(protos: pathlib.Path) -> dict[str, bytes]:
    """Every generated file by name."""
    return {path.name: path.read_bytes() for path in sorted((protos / "understudy/v1").glob("*_pb2*"))}


def main() -> None:
    python = pathlib.Path(sys.argv[1]).absolute()
    environment = os.environ | {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
    with tempfile.TemporaryDirectory() as temporary:
        copy = pathlib.Path(temporary) / "protos"
        shutil.copytree(HERE, copy, ignore=shutil.ignore_patterns("__pycache__"))
        subprocess.run([python, copy / "generate.py"], env=environment, check=True)  # noqa: S603
        fresh, committed = generated(copy), generated(HERE)
    stale = sorted(name for name in fresh | committed if fresh.get(name) != committed.get(name))
    if stale:
        sys.exit(f"not what the .proto files generate: {', '.join(stale)}; run make protos and commit")


if __name__ == "__main__":
    main()

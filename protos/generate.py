"""Generate the Python code of `understudy/v1` beside its `.proto` files.

Run in an environment that holds `protos/requirements.txt` (`make protos` does both). Descriptors are
named by their path below this folder, so the imports come out as `from understudy.v1 import …` and need
no rewriting.
"""

import pathlib
import sys

import grpc_tools
from grpc_tools import protoc

HERE = pathlib.Path(__file__).parent
PACKAGE = HERE / "understudy" / "v1"
WELL_KNOWN = pathlib.Path(grpc_tools.__file__).parent / "_proto"


def has_service(proto: pathlib.Path) -> bool:
    return any(line.startswith("service ") for line in proto.read_text().splitlines())


def run(*arguments: str) -> None:
    include = [f"-I{HERE}", f"-I{WELL_KNOWN}"]
    if protoc.main(["protoc", *include, *arguments]) != 0:
        sys.exit("protoc failed")


def main() -> None:
    for old in PACKAGE.glob("*_pb2*"):
        old.unlink()
    protos = sorted(PACKAGE.glob("*.proto"))
    run(f"--python_out={HERE}", f"--mypy_out=quiet:{HERE}", *map(str, protos))
    with_service = [str(proto) for proto in protos if has_service(proto)]
    run(
        f"--grpc_python_out={HERE}",
        f"--mypy_grpc_out=quiet,async_only:{HERE}",
        *with_service,
    )


if __name__ == "__main__":
    main()

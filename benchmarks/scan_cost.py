"""What it costs to find a user and a model in a request, beside parsing the request whole.

A KServe V2 ModelInfer request of 10 MB. The parser is protobuf's own (upb, in C), over a message type of the
same fields made here at run time, in a pool of its own. "Cold": the same request again and again, each time
from another place in memory, more of them than a processor's cache holds.
"""

import argparse
import functools
import statistics
import time
from collections.abc import Callable
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from proxy.policy.protocols import V2_MODEL_INFER, model_of
from proxy.policy.sticky import Sticky

BYTES, STRING, INT64, FLOAT, MESSAGE = 12, 9, 3, 2, 11
MIB = 1024 * 1024


def request_type() -> Any:
    """ModelInferRequest's wire format: the fields that a tensor request fills."""
    file = descriptor_pb2.FileDescriptorProto(name="v2.proto", package="bench", syntax="proto3")
    request = file.message_type.add(name="Request")
    entry = request.nested_type.add(name="ParametersEntry")
    entry.options.map_entry = True
    parameter = file.message_type.add(name="Parameter")
    contents = file.message_type.add(name="Contents")
    tensor = file.message_type.add(name="Tensor")

    def add(message: Any, name: str, number: int, kind: int, *, many: bool = False, of: str = "") -> None:
        field = message.field.add(name=name, number=number, type=kind, label=3 if many else 1)
        if of:
            field.type_name = f".bench.{of}"

    add(parameter, "string_param", 3, STRING)
    add(entry, "key", 1, STRING)
    add(entry, "value", 2, MESSAGE, of="Parameter")
    add(contents, "fp32_contents", 6, FLOAT, many=True)
    add(contents, "bytes_contents", 8, BYTES, many=True)
    add(tensor, "name", 1, STRING)
    add(tensor, "datatype", 2, STRING)
    add(tensor, "shape", 3, INT64, many=True)
    add(tensor, "contents", 5, MESSAGE, of="Contents")
    add(request, "model_name", 1, STRING)
    add(request, "id", 3, STRING)
    add(request, "parameters", 4, MESSAGE, many=True, of="Request.ParametersEntry")
    add(request, "inputs", 5, MESSAGE, many=True, of="Tensor")
    add(request, "raw_input_contents", 7, BYTES, many=True)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("bench.Request"))


def requests(kind: Any, size: int) -> dict[str, bytes]:
    """The ways in which a request of `size` bytes holds its tensor."""
    count = size // 4
    tensor = {"name": "x", "datatype": "FP32", "shape": [count]}
    texts = [b"a text of a batch, as tokenizers get them"] * (size // 43)
    made = {
        "raw bytes": kind(inputs=[tensor], raw_input_contents=[bytes(size)]),
        "floats": kind(inputs=[tensor | {"contents": {"fp32_contents": [1.5] * count}}]),
        "texts": kind(inputs=[tensor | {"contents": {"bytes_contents": texts}}]),
    }
    for message in made.values():
        message.model_name = "fraud"
        message.parameters["user_id"].string_param = "ann"
    return {name: message.SerializeToString() for name, message in made.items()}


def microseconds(action: Callable[[bytes], object], messages: list[bytes], rounds: int) -> float:
    times = []
    for index in range(rounds):
        message = messages[index % len(messages)]
        started = time.perf_counter()
        action(message)
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=201)
    parser.add_argument("--megabytes", type=float, default=10)
    parser.add_argument("--copies", type=int, default=40, help="places in memory of a cold request")
    options = parser.parse_args()
    kind = request_type()
    sticky = Sticky((), payload=True)
    print(f"A V2 request of {options.megabytes:g} MB: medians of {options.rounds} rounds, microseconds")
    print("tensor as        parse   user id            model name")
    for name, message in requests(kind, int(options.megabytes * MIB)).items():
        assert sticky.from_payload(V2_MODEL_INFER, message) == b"ann"
        assert model_of(V2_MODEL_INFER, message) == "fraud"
        for label, copies in ((name, 1), (f"{name}, cold", options.copies)):
            messages = [bytes(bytearray(message)) for _ in range(copies)]
            parse = microseconds(kind.FromString, messages, options.rounds)
            cells = []
            for scan in (sticky.from_payload, model_of):
                cost = microseconds(functools.partial(scan, V2_MODEL_INFER), messages, options.rounds)
                cells.append(f"{cost:5.1f} = {cost / parse:6.2%}")
            print(f"{label:<16}{parse:6.0f}   {cells[0]}     {cells[1]}")


if __name__ == "__main__":
    main()

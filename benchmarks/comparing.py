"""How long comparing two large predictions holds up the event loop: the longest gap between two turns.

    python benchmarks/comparing.py

The loop does nothing else than look at the clock; predictions are compared as the sidecar does it, in a
thread. They agree within the tolerance and differ in every value, texts in the last one only, so that all
of it has to be read. The first row is the machine's own share: a thread that sleeps for as long as the
longest comparison takes.
"""

import asyncio
import functools
import json
import statistics
import struct
import sys
import time
from collections.abc import Callable

import numpy as np

from proxy.compare.answers import Answer
from proxy.compare.comparison import compare
from proxy.compare.torchserve import MAX_BYTES
from proxy.policy.table import Tolerance

V2 = "/inference.GRPCInferenceService/ModelInfer"
OURS = "/understudy.v1.PredictionService/Predict"
TENSORFLOW = "/tensorflow.serving.PredictionService/Predict"
TORCHSERVE = "/org.pytorch.serve.grpc.inference.InferenceAPIsService/Predictions"
RUNS = 40


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def v2_raw(values: np.ndarray) -> bytes:
    output = field(1, b"scores") + field(2, b"FP32") + field(3, varint(values.size))
    return field(5, output) + field(6, values.astype("<f4").tobytes())


def v2_typed(values: np.ndarray) -> bytes:
    contents = field(5, field(6, values.astype("<f4").tobytes()))
    return field(5, field(1, b"scores") + field(2, b"FP32") + field(3, varint(values.size)) + contents)


def v2_integers(values: np.ndarray) -> bytes:
    packed = b"".join(varint(int(value * 1e6)) for value in values)
    contents = field(5, field(3, packed))
    return field(5, field(1, b"scores") + field(2, b"INT64") + field(3, varint(values.size)) + contents)


def texts_of(values: np.ndarray) -> list[bytes]:
    """As many as there are values; the last one says which prediction it is."""
    texts = [b"%08x" % number for number in range(values.size // 2)]
    return [*texts[:-1], b"%.6f" % values[-1]]


def v2_text(values: np.ndarray) -> bytes:
    texts = texts_of(values)
    raw = b"".join(struct.pack("<I", len(text)) + text for text in texts)
    output = field(1, b"scores") + field(2, b"BYTES") + field(3, varint(len(texts)))
    return field(5, output) + field(6, raw)


def v2_typed_text(values: np.ndarray) -> bytes:
    texts = texts_of(values)
    contents = field(5, b"".join(field(8, text) for text in texts))
    return field(5, field(1, b"scores") + field(2, b"BYTES") + field(3, varint(len(texts))) + contents)


def tensorflow(kind: int, values: bytes, size: int) -> bytes:
    shape = field(2, field(2, b"\x08" + varint(size)))
    return field(1, field(1, b"scores") + field(2, b"\x08" + varint(kind) + shape + values))


def tensorflow_content(values: np.ndarray) -> bytes:
    return tensorflow(1, field(4, values.astype("<f4").tobytes()), values.size)


def tensorflow_list(values: np.ndarray) -> bytes:
    return tensorflow(1, field(5, values.astype("<f4").tobytes()), values.size)


def tensorflow_texts(values: np.ndarray) -> bytes:
    texts = texts_of(values)
    return tensorflow(7, b"".join(field(8, text) for text in texts), len(texts))


def torchserve(values: np.ndarray) -> bytes:
    return field(1, json.dumps([round(float(value), 6) for value in values]).encode())


def torchserve_short(values: np.ndarray) -> bytes:
    """As long as a document may be that is parsed."""
    return torchserve(values[: MAX_BYTES // 11])


def ours(values: np.ndarray) -> bytes:
    from understudy.v1 import prediction_pb2  # noqa: PLC0415

    tensor = prediction_pb2.Tensor(name="scores", shape=[values.size], floats=values.tolist())
    return prediction_pb2.PredictResponse(outputs=[tensor]).SerializeToString()


Work = Callable[[], object]


def comparison(method: str, primary: bytes, shadow: bytes) -> Work:
    """What the thread does."""
    answers = Answer("OK", (primary,)), Answer("OK", (shadow,))
    return lambda: compare(method, *answers, Tolerance(absolute=0.01))


async def longest_gap(work: Work) -> tuple[float, float]:
    """(longest gap, time of the work) in seconds."""
    comparing = asyncio.to_thread(work)
    longest, begun = 0.0, time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        found = tasks.create_task(comparing)
        before = time.perf_counter()
        while not found.done():
            await asyncio.sleep(0)
            now = time.perf_counter()
            longest, before = max(longest, now - before), now
    return longest, time.perf_counter() - begun


async def measure(name: str, work: Work, runs: int) -> None:
    """Print a row."""
    found = [await longest_gap(work) for _ in range(runs)]
    gaps = sorted(gap for gap, _ in found)
    took = statistics.median(took for _, took in found)
    row = f"{statistics.median(gaps) * 1e3:>7.2f} ms{gaps[-1] * 1e3:>7.2f} ms{took * 1e3:>11.1f} ms"
    print(f"{name:<30}{row}", flush=True)


async def main() -> None:
    if "--plain" not in sys.argv:
        from proxy.process import SWITCH_INTERVAL  # noqa: PLC0415

        sys.setswitchinterval(SWITCH_INTERVAL)
    rng = np.random.default_rng(1)
    print(f"{'prediction':<30}{'gap p50':>10}{'longest':>10}{'compared in':>14}")
    for megabytes, runs, seconds in ((1, RUNS, 0.05), (10, 5, 0.5)):
        await measure(f"(a thread that sleeps), {seconds} s", functools.partial(time.sleep, seconds), runs)
        values = rng.random(megabytes * 2**20 // 4, dtype=np.float32)
        other = values + np.float32(0.001)
        for name, method, make in (
            ("V2 FP32 raw", V2, v2_raw),
            ("V2 FP32 typed", V2, v2_typed),
            ("V2 INT64 typed", V2, v2_integers),
            ("V2 BYTES raw", V2, v2_text),
            ("V2 BYTES typed", V2, v2_typed_text),
            ("ours, floats", OURS, ours),
            ("TensorFlow, content", TENSORFLOW, tensorflow_content),
            ("TensorFlow, list", TENSORFLOW, tensorflow_list),
            ("TensorFlow, texts", TENSORFLOW, tensorflow_texts),
            ("TorchServe, JSON", TORCHSERVE, torchserve),
            ("TorchServe, parsed (128 KiB)", TORCHSERVE, torchserve_short),
        ):
            if megabytes > 1 and make is torchserve_short:
                continue
            work = comparison(method, make(values), make(other))
            await measure(f"{name}, {megabytes} MB", work, runs)


if __name__ == "__main__":
    asyncio.run(main())

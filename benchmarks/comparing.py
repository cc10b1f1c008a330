"""How long comparing two large predictions holds up the event loop: the longest gap between two turns.

    python benchmarks/comparing.py

The loop does nothing else than look at the clock; predictions are compared as the sidecar does it.
"""

import asyncio
import statistics
import struct
import sys
import time

import numpy as np

from proxy.compare.answers import Answer
from proxy.compare.comparison import compare
from proxy.policy.table import Tolerance

V2 = "/inference.GRPCInferenceService/ModelInfer"
OURS = "/understudy.v1.PredictionService/Predict"
RUNS = 20


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


def v2_text(values: np.ndarray) -> bytes:
    raw = b"".join(struct.pack("<I", 4) + struct.pack("<f", value) for value in values)
    output = field(1, b"scores") + field(2, b"BYTES") + field(3, varint(values.size))
    return field(5, output) + field(6, raw)


def ours(values: np.ndarray) -> bytes:
    from understudy.v1 import prediction_pb2  # noqa: PLC0415

    tensor = prediction_pb2.Tensor(name="scores", shape=[values.size], floats=values.tolist())
    return prediction_pb2.PredictResponse(outputs=[tensor]).SerializeToString()


async def longest_gap(method: str, primary: bytes, shadow: bytes) -> tuple[float, float]:
    """(longest gap, time of the comparison) in seconds."""
    comparing = asyncio.to_thread(
        compare,
        method,
        Answer("OK", (primary,)),
        Answer("OK", (shadow,)),
        Tolerance(absolute=0.01),
    )
    longest, begun = 0.0, time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        found = tasks.create_task(comparing)
        before = time.perf_counter()
        while not found.done():
            await asyncio.sleep(0)
            now = time.perf_counter()
            longest, before = max(longest, now - before), now
    return longest, time.perf_counter() - begun


async def main() -> None:
    if "--plain" not in sys.argv:
        from proxy.process import SWITCH_INTERVAL  # noqa: PLC0415

        sys.setswitchinterval(SWITCH_INTERVAL)
    rng = np.random.default_rng(1)
    print(f"{'prediction':<26}{'gap p50':>10}{'longest':>10}{'compared in':>14}")
    for megabytes in (1, 10):
        values = rng.random(megabytes * 2**20 // 4, dtype=np.float32)
        other = values + np.float32(0.001)
        for name, method, make in (
            ("V2 FP32 raw", V2, v2_raw),
            ("V2 FP32 typed", V2, v2_typed),
            ("V2 INT64 typed", V2, v2_integers),
            ("V2 BYTES raw", V2, v2_text),
            ("ours, floats", OURS, ours),
        ):
            primary, shadow = make(values), make(other)
            runs = [await longest_gap(method, primary, shadow) for _ in range(RUNS if megabytes == 1 else 5)]
            gaps = sorted(gap for gap, _ in runs)
            took = statistics.median(took for _, took in runs)
            row = f"{statistics.median(gaps) * 1e3:>7.2f} ms{gaps[-1] * 1e3:>7.2f} ms{took * 1e3:>11.1f} ms"
            print(f"{name + f', {megabytes} MB':<26}{row}")


if __name__ == "__main__":
    asyncio.run(main())

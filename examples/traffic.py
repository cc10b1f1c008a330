"""Traffic: real digits from real users at a steady rate, through one sidecar.

    python -m examples.traffic --target 127.0.0.1:7070 --rate 60 --seconds 60

Open loop: a call is begun when it is due, however long others take. Client retries are off, so that a call
that fails is seen to fail. Every call becomes one JSON line in `--record`, and every answer one in
`--outcomes`: whether it was right, for `understudy outcome report -f`.
"""

import argparse
import asyncio
import json
import pathlib
import random
import signal
import sys
import time
from collections import Counter

import grpc
import uvloop
from understudy.serving.announce import announce
from understudy.v1 import prediction_pb2

from examples.calls import Record, to_lines
from examples.models.digits import Digits, split
from examples.models.speaking import PREDICT

DEADLINE = 2.0
OPTIONS = (("grpc.enable_retries", 0), ("grpc.enable_http_proxy", 0))


class Traffic:
    """Sends calls and keeps a record of each."""

    def __init__(self, channel: grpc.aio.Channel, digits: Digits, users: int) -> None:
        self._predict: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(PREDICT)
        self._digits = digits
        self._users = users
        self.records: list[Record] = []
        self.outcomes: list[dict[str, object]] = []

    def __repr__(self) -> str:
        return f"<Traffic {len(self.records)} calls>"

    async def run(self, rate: float, seconds: float, stop: asyncio.Event) -> None:
        """Begin `rate` calls a second until told to stop, or for `seconds`; returns when all have ended."""
        started = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            number = 0
            while not stop.is_set() and (due := number / rate) < seconds:
                delay = started + due - time.monotonic()
                if delay > 0:
                    await asyncio.sleep(delay)
                tasks.create_task(self._call(), name="call")
                number += 1

    async def _call(self) -> None:
        index = random.randrange(len(self._digits.labels))
        user = f"user-{random.randrange(self._users)}"
        request = prediction_pb2.PredictRequest(
            model_name="digits",
            inputs=[prediction_pb2.Tensor(name="image", shape=[1, 64], doubles=self._digits.images[index])],
        )
        began, clock = time.time(), time.perf_counter()
        call = self._predict(request.SerializeToString(), timeout=DEADLINE, metadata=(("x-user-id", user),))
        code, variant, correct = "OK", "", False
        try:
            response = prediction_pb2.PredictResponse.FromString(await call)
            correct = list(response.outputs[0].ints) == [int(self._digits.labels[index])]
            metadata = dict(await call.initial_metadata() or ())
            variant = str(metadata.get("x-understudy-variant", ""))
            self.outcomes.append({"ticket": metadata.get("x-understudy-ticket"), "correct": correct})
        except grpc.aio.AioRpcError as error:
            code = error.code().name
        self.records.append(Record(began, user, variant, code, time.perf_counter() - clock, correct))


async def send(arguments: argparse.Namespace) -> Traffic:
    """Send traffic until SIGTERM or SIGINT, or until its time is up."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    _, held_out = split()
    async with grpc.aio.insecure_channel(arguments.target, options=OPTIONS) as channel:
        traffic = Traffic(channel, held_out, arguments.users)
        announce({"target": arguments.target})
        await traffic.run(arguments.rate, arguments.seconds, stop)
    return traffic


def main() -> None:
    """Send, then say what came of it; exit code 1 where a call failed."""
    parser = argparse.ArgumentParser(description="Digits from users, at a steady rate.")
    parser.add_argument("--target", required=True, metavar="HOST:PORT", help="A sidecar's data port.")
    parser.add_argument("--rate", type=float, default=60.0, help="Calls a second.")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--users", type=int, default=400)
    parser.add_argument("--record", type=pathlib.Path, help="Write every call there, as JSON lines.")
    parser.add_argument("--outcomes", type=pathlib.Path, help="Write there what was right, as JSON lines.")
    arguments = parser.parse_args()
    sent = uvloop.run(send(arguments))
    records = sent.records
    if arguments.record:
        arguments.record.write_text(to_lines(records))
    if arguments.outcomes:
        arguments.outcomes.write_text("".join(f"{json.dumps(one)}\n" for one in sent.outcomes))
    codes = Counter(record.code for record in records)
    variants = Counter(record.variant for record in records)
    print(f"{len(records)} calls: {dict(codes)}; by variant: {dict(variants)}")
    sys.exit(0 if set(codes) <= {"OK"} else 1)


if __name__ == "__main__":
    main()

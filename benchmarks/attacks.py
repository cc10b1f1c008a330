"""What attacks by one caller cost the relay, and a well-behaved caller beside it.

Each attack of tests/support/attacks.py is repeated on one connection after the other for some seconds, while
a caller on a connection of its own calls one at a time. CPU is of the relay's process and of the attacker's,
beyond what the relay takes for the good calls alone; p99 is the good caller's. What a neighbour on the same
cores costs by computing alone is the first row.
"""

import argparse
import asyncio
import contextlib
import pathlib
import sys
import tempfile
import time

import grpc
import uvloop

from benchmarks.cost_per_call import MESSAGE, METHOD, OPTIONS, SIDECAR, start
from benchmarks.relay_cost import Proxy
from tests.support.attackers import attacker
from tests.support.attacks import ATTACKS, Attack


async def attack_for(address: str, attack: Attack, until: float) -> int:
    """Connections that the attack took."""
    count = 0
    while time.perf_counter() < until:
        with contextlib.suppress(OSError):
            async with attacker(address) as one:
                await one.send(attack.sent)
                await (one.pong() if attack.code is None else one.closed())
        count += 1
    return count


async def call_for(address: str, until: float) -> tuple[list[float], int]:
    """Milliseconds of every good call, and how many failed."""
    times, failed = [], 0
    async with grpc.aio.insecure_channel(address, options=OPTIONS) as channel:
        predict = channel.unary_unary(METHOD)
        while time.perf_counter() < until:
            begun = time.perf_counter()
            try:
                await predict(MESSAGE, timeout=10)
            except grpc.aio.AioRpcError:
                failed += 1
            times.append((time.perf_counter() - begun) * 1000)
    return sorted(times), failed


BUSY = Attack("nothing, beside a process that only computes", b"", None)


async def alongside(seconds: float, attack: str) -> None:
    """The attacker's own process."""
    address, name = attack.split(" ", 1)
    if name == BUSY.name:
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            pass
        print(0, time.process_time(), flush=True)
        return
    (found,) = [one for one in ATTACKS if one.name == name]
    count = await attack_for(address, found, time.perf_counter() + seconds)
    print(count, time.process_time(), flush=True)


async def measured(
    relay: Proxy, seconds: float, attack: Attack | None
) -> tuple[list[float], int, float, str]:
    before, until = relay.cpu(), time.perf_counter() + seconds
    process = None
    if attack is not None:
        command = ("-m", "benchmarks.attacks", "--seconds", str(seconds), "--attack")
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, f"{relay.address} {attack.name}", stdout=asyncio.subprocess.PIPE
        )
        until += 1  # it takes a second to begin
    times, failed = await call_for(relay.address, until)
    said = "0 0" if process is None else (await process.communicate())[0].decode()
    return times, failed, relay.cpu() - before, said


async def compare(seconds: float) -> None:
    model, target = start(sys.executable, "-m", "benchmarks.cost_per_call", "--serve")
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder) / "relay.yaml"
        config.write_text("engine: relay" + SIDECAR.format(target=target))
        command = (sys.executable, "-c", "from understudy.cli import main; main()")
        relay = Proxy("relay", *start(*command, "proxy", "--config", str(config)))
        try:
            await call_for(relay.address, time.perf_counter() + 1)
            times, _, alone, _ = await measured(relay, seconds, None)
            usual = times[len(times) * 99 // 100]
            per_call = alone / len(times)
            print(f"without an attack: p99 {usual:.1f} ms, {len(times)} calls, {relay.memory():.0f} MB")
            print("| attack | connections | relay's CPU by the attacker's | good p99, ms | failed | MB |")
            print("|--------|-------------|-------------------------------|--------------|--------|----|")
            for attack in (BUSY, *ATTACKS):
                times, failed, cpu, said = await measured(relay, seconds, attack)
                count, theirs = said.split()
                factor = (cpu - per_call * len(times)) / float(theirs)
                p99 = times[len(times) * 99 // 100]
                row = (attack.name, count, f"{factor:.2f}", f"{p99:.1f}", failed, f"{relay.memory():.0f}")
                print(f"| {' | '.join(map(str, row))} |", flush=True)
        finally:
            for one in (relay.process, model):
                one.terminate()
                one.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--attack", help="be the attacker: an address and an attack's name")
    options = parser.parse_args()
    uvloop.run(alongside(options.seconds, options.attack) if options.attack else compare(options.seconds))


if __name__ == "__main__":
    main()

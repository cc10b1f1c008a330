"""Calls a second that a sidecar of one and of several workers carries, and what its processes pay for each.

`h2load` makes gRPC calls (128 bytes, a message's length before them) as fast as they are answered, nginx
answers them as a model server would that takes no time: both cost little beside the sidecar, but they need
cores, too, and on a machine of two they take their part of what a second worker could have.
"""

import argparse
import contextlib
import pathlib
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from benchmarks.cost_per_call import cpu_seconds, start

METHOD = "/inference.GRPCInferenceService/ModelInfer"
MESSAGE = b"\0" + (128).to_bytes(4, "big") + b"x" * 128

NGINX = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  server {{
    listen 127.0.0.1:{port} http2;
    default_type application/grpc;
    client_body_buffer_size 64k;
    location / {{ add_header grpc-status 0; return 200; }}
  }}
}}
"""

SIDECAR = """
kind: Sidecar
listen: 127.0.0.1:0
admin: 127.0.0.1:0
status: 127.0.0.1:0
engine: {engine}
workers: {workers}
limits: {{in_flight: 65536, in_flight_per_variant: 65536}}
service:
  name: echo
  variants: [{{name: v1, target: "127.0.0.1:{port}"}}]
"""


def processes(pid: int) -> list[int]:
    """A process and its children."""
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def cpu(pid: int) -> float:
    return sum(map(cpu_seconds, processes(pid)))


def memory(pid: int) -> float:
    """Of its own, MB: pages that several of them share count for each in its part."""
    rollups = [pathlib.Path(f"/proc/{one}/smaps_rollup").read_text() for one in processes(pid)]
    return sum(int(text.split("\nPss:")[1].split()[0]) for text in rollups) / 1024


def load(address: str, seconds: int, body: pathlib.Path) -> float:
    """Calls a second; every one must have been answered well."""
    told = subprocess.run(
        [
            *("h2load", "-c", "64", "-m", "8", "-t", "1", "-D", str(seconds), "--warm-up-time", "1"),
            *("-d", str(body), "-H", "content-type: application/grpc", "-H", "te: trailers"),
            f"http://{address}{METHOD}",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    counts = re.search(r"(\d+) total, .* (\d+) failed, (\d+) errored, (\d+) timeout", told)
    assert counts is not None, told
    failed = [int(count) for count in counts.groups()[1:]]
    assert failed == [0, 0, 0], told
    assert re.search(r"status codes: [1-9]\d* 2xx, 0 3xx, 0 4xx, 0 5xx", told), told
    rate = re.search(r"finished in .*?, ([\d.]+) req/s", told)
    assert rate is not None, told
    return float(rate[1])


def measure(engine: str, workers: int, rounds: int, seconds: int) -> str:
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = random.randint(20000, 60000)
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port))
        (folder / "body").write_bytes(MESSAGE)
        (folder / "sidecar.yaml").write_text(SIDECAR.format(engine=engine, workers=workers, port=port))
        nginx = subprocess.Popen(["nginx", "-c", str(folder / "nginx.conf")], stderr=subprocess.DEVNULL)
        stack.callback(nginx.wait)
        stack.callback(nginx.terminate)
        command = ("-c", "from understudy.cli import main; main()", "proxy", "--log-level", "error")
        sidecar, address = start(sys.executable, *command, "--config", str(folder / "sidecar.yaml"))
        stack.callback(sidecar.wait)
        stack.callback(sidecar.terminate)
        time.sleep(2)
        rates, costs, shares = [], [], []
        for _ in range(rounds):
            before, began = cpu(sidecar.pid), time.perf_counter()
            rate = load(address, seconds, folder / "body")
            used, took = cpu(sidecar.pid) - before, time.perf_counter() - began
            rates.append(rate)
            shares.append(used / took)
            costs.append(used / took / rate * 1e6)
        kept = memory(sidecar.pid)
    middle = statistics.median
    return (
        f"| {engine:8} | {workers:7} | {middle(rates):14.0f} | {middle(shares):5.2f} |"
        f" {middle(costs):16.0f} | {kept:10.0f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engines", nargs="+", default=["relay", "grpc-aio"])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    options = parser.parse_args()
    if missing := [tool for tool in ("h2load", "nginx") if shutil.which(tool) is None]:
        print(f"left out: needs {' and '.join(missing)}")
        return
    print("| engine   | workers | calls a second | cores | CPU per call, µs | memory, MB |")
    print("|----------|---------|----------------|-------|------------------|------------|")
    for engine in options.engines:
        for workers in options.workers:
            print(measure(engine, workers, options.rounds, options.seconds), flush=True)


if __name__ == "__main__":
    main()

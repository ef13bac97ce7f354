"""The teacher's client: calls a second against bare aiohttp and other clients, its journal, photos, memory.

    python -m benchmarks.teacher                    # everything, about 12 minutes
    python -m benchmarks.teacher --share 0.02       # the same with a fiftieth of the calls: does it work?
    python -m benchmarks.teacher calls memory       # parts: calls, zero, journal, photos, memory

Client and server (``teacher_stub``) are two processes on loopback. Bare aiohttp is ``gather`` with a semaphore
and orjson. Ours is the client as the generator uses it, with its synced journal; the clock runs from opening to
closing both. Engines take turns, three times; the median counts. How other clients are installed is told in
``teacher_peers``; slow ones get 2,000 calls in place of 20,000, and their start and end are left out: theirs is
the rate of the middle nine tenths of all answers, as the server saw them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.teacher_peers import PEERS

PEER_FOLDER = Path(os.environ.get("VLIT_PEERS", "~/.cache/vlit-peers")).expanduser()
LATENCY = 0.1
IN_FLIGHT = 256
CALLS = 20_000
SLOW_CALLS = 2_000
ROUNDS = 3

Result = dict[str, Any]


@contextmanager
def stub(latency: float, core: int | None = None) -> Iterator[str]:
    """A server; yields its URL."""
    command = [sys.executable, "-m", "benchmarks.teacher_stub", "--latency", str(latency)]
    command += ["--core", str(core)] if core is not None else []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdin
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


def stats(url: str) -> Result:
    """What the server saw since the last look."""
    with urllib.request.urlopen(url.removesuffix("/v1") + "/stats") as response:
        told: Result = json.loads(response.read())
    return told


def measure(engine: str, url: str, requests: int, in_flight: int = IN_FLIGHT, **spec: Any) -> Result:
    """One engine in a process of its own: rate, processor time, most memory of all its processes."""
    spec |= {"engine": engine, "url": url, "requests": requests, "in_flight": in_flight}
    command = [sys.executable, "-m", "benchmarks.teacher_client", json.dumps(spec)]
    if engine in PEERS:
        script = Path(__file__).with_name("teacher_peers.py")
        command = [str(PEER_FOLDER / engine / "bin" / "python"), str(script), json.dumps(spec)]
    stats(url)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        most = [0]
        watcher = threading.Thread(target=_watch, args=(process, most))
        watcher.start()
        out, err = process.communicate()
        watcher.join()
    if process.returncode:
        sys.exit(f"{engine}: {err[-3000:]}")
    told: Result = json.loads(out.splitlines()[-1])
    seen = stats(url)
    told["rate"] = requests / told["seconds"]
    if engine in ("distilabel", "curator"):
        told["rate"] = seen["middle"] / seen["seconds"]
    return told | {"calls": seen["calls"], "requests": requests, "peak_mb": most[0]}


def _watch(process: subprocess.Popen[str], most: list[int]) -> None:
    """The most memory that a process and all its children had together, in MB."""
    while process.poll() is None:
        most[0] = max(most[0], sum(_resident_kb(pid) for pid in _family(process.pid)) // 1024)
        try:
            process.wait(0.2)
        except subprocess.TimeoutExpired:
            continue


def _family(pid: int) -> Iterator[int]:
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:  # it ended meanwhile
        return
    for child in children:
        yield from _family(int(child))


def _resident_kb(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS")), 0)


def absent(engine: str) -> str | None:
    """Why a peer cannot be measured."""
    if engine not in PEERS or (PEER_FOLDER / engine / "bin" / "python").exists():
        return None
    return f"no environment {PEER_FOLDER / engine}; see benchmarks/teacher_peers.py"


def contest(url: str, plan: dict[str, int], **spec: Any) -> dict[str, Result]:
    """Engines in turns; of each the round of median rate.

    Args:
        url: Of the server.
        plan: Engine -> requests; "ours" may have a journal after a colon: "ours:none".
        spec: For all of them.
    """
    found: dict[str, list[Result]] = {}
    for turn in range(ROUNDS):
        for name, requests in plan.items():
            engine, _, journal = name.partition(":")
            if why := absent(engine):
                if turn == 0:
                    say(skipped=engine, because=why)
                continue
            own: Result = spec | ({"journal": journal} if journal else {})
            found.setdefault(name, []).append(measure(engine, url, requests, **own))
    middle = statistics.median_low
    return {n: next(r for r in rs if r["rate"] == middle([x["rate"] for x in rs])) for n, rs in found.items()}


def say(**row: Any) -> None:
    """A row of a table."""
    print(json.dumps(row), flush=True)


def tell(results: dict[str, Result], **which: Any) -> None:
    """A row for each engine, with how many times faster ours is."""
    for name, result in results.items():
        say(
            **which,
            client=f"{name} {result['version']}".strip(),
            requests=result["requests"],
            requests_per_second=round(result["rate"]),
            cpu_ms_a_request=round(result["cpu"] * 1000 / result["requests"], 2),
            peak_mb=result["peak_mb"],
            ours_over_it=round(results["ours"]["rate"] / result["rate"], 2),
        )


def held(what: str, figure: float, target: str) -> None:
    """A row of the table of targets."""
    sign, value = target.split()
    met = figure >= float(value) if sign == ">=" else figure < float(value)
    say(target_of=what, figure=round(figure, 3), target=target, met="yes" if met else "NO")


def rate(results: dict[str, Result], name: str) -> float:
    """Calls a second; 0 where it was not measured."""
    return float(results[name]["rate"]) if name in results else 0.0


def calls(share: float) -> None:
    """100 ms latency, 256 in flight."""
    many, few = max(int(CALLS * share), 8 * IN_FLIGHT), max(int(SLOW_CALLS * share), 4 * IN_FLIGHT)
    plan = {"bare": many, "ours": many, "openai": many, "curator": few, "distilabel": few}
    with stub(LATENCY) as url:
        results = contest(url, plan)
    tell(results, latency_ms=100, in_flight=IN_FLIGHT)
    ours = rate(results, "ours")
    held("100 ms: ours over bare aiohttp", ours / rate(results, "bare"), ">= 0.9")
    for peer in ("curator", "distilabel"):
        if peer in results:
            held(f"100 ms: ours over {peer}", ours / rate(results, peer), ">= 3")


def zero(share: float) -> None:
    """No latency, client on one core, server on another: what a call costs the processor."""
    many, few = int(CALLS * share), int(SLOW_CALLS * share)
    cores = sorted(os.sched_getaffinity(0))
    with stub(0.0, cores[-1]) as url:
        results = contest(url, {"bare": many, "ours": many, "openai": few}, in_flight=64, core=cores[0])
    tell(results, latency_ms=0, in_flight=64, cores=1)
    ours = rate(results, "ours")
    held("one core: ours over bare aiohttp", ours / rate(results, "bare"), ">= 0.5")
    if "openai" in results:
        held("one core: ours over AsyncOpenAI", ours / rate(results, "openai"), ">= 8")


def journal(share: float) -> None:
    """What the journal costs: synced as it is, written but not synced, and not at all."""
    many = int(CALLS * share)
    with stub(LATENCY) as url:
        results = contest(url, {"ours": many, "ours:unsynced": many, "ours:none": many})
    for name, result in results.items():
        say(
            journal={"ours": "synced", "ours:unsynced": "not synced", "ours:none": "none"}[name],
            requests=many,
            requests_per_second=round(result["rate"]),
            cpu_ms_a_request=round(result["cpu"] * 1000 / many, 2),
            bytes_a_request=round(result["journal_bytes"] / many),
        )
    held("journal overhead in %", (1 - rate(results, "ours") / rate(results, "ours:none")) * 100, "< 5")


def photos(share: float) -> None:
    """A photo of 115 KB in each call, four calls about each photo."""
    many = int(CALLS * share / 5)
    with stub(LATENCY) as url:
        results = contest(url, {"bare": many, "ours": many}, in_flight=64, photos=many // 4)
    for name, result in results.items():
        say(
            client=name,
            photos_of_115_kb=many // 4,
            requests=many,
            in_flight=64,
            requests_per_second=round(result["rate"]),
            cpu_ms_a_request=round(result["cpu"] * 1000 / many, 2),
            reads_a_photo=round(result["reads"] / (many // 4), 2),
            journal_bytes_a_request=round(result["journal_bytes"] / many),
            peak_mb=result["peak_mb"],
        )


def memory(share: float) -> None:
    """A million requests that wait, without latency: resident memory after each tenth."""
    many = int(1_000_000 * share)
    with stub(0.0) as url:
        result = measure("ours", url, many)
    say(
        requests=many,
        requests_per_second=round(result["rate"]),
        resident_mb_after_each_tenth=", ".join(map(str, result["looks"])),
        peak_mb=result["peak_mb"],
        journal_mb=result["journal_bytes"] >> 20,
    )
    held(f"peak MB with {many:,} requests", result["peak_mb"], "< 300")


PARTS = {"calls": calls, "zero": zero, "journal": journal, "photos": photos, "memory": memory}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    parser.add_argument("--share", type=float, default=1.0, help="of the calls that are made otherwise")
    given = parser.parse_args()
    for part in given.parts or PARTS:
        PARTS[part](given.share)

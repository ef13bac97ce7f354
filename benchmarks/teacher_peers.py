"""Other clients against the same server; each runs in an environment of its own, without vlit.

    <environment>/bin/python benchmarks/teacher_peers.py \
      '{"engine": "distilabel", "url": "http://127.0.0.1:8000/v1", "requests": 2000, "in_flight": 256}'

The environments lie outside the repository, under $VLIT_PEERS (by default ~/.cache/vlit-peers):

    cd $VLIT_PEERS
    python3.11 -m venv openai     && openai/bin/pip install openai
    python3.11 -m venv distilabel && distilabel/bin/pip install 'distilabel[openai]' requests
    python3.11 -m venv curator    && curator/bin/pip install bespokelabs-curator

distilabel does not import without ``requests``. curator's own OpenAI backend needs the internet for its tokens;
its litellm backend does not. Telemetry is off.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import tempfile
import time
from importlib.metadata import version
from typing import Any

#: Name of a peer -> the distribution that it is.
PEERS = {"openai": "openai", "distilabel": "distilabel", "curator": "bespokelabs-curator"}
MAX_TOKENS = 256
_SCENE = "A brown dog sleeps on a red sofa next to a window with green curtains. " * 6
SYSTEM = "You write both sides of a talk about a picture, as somebody who looks at the picture itself. " * 6


def prompt(index: int) -> str:
    """What is asked in a call: each is another one."""
    return f"Scene {index}. {_SCENE}"


def openai(url: str, requests: int, in_flight: int, **_: Any) -> float:
    """``AsyncOpenAI`` with a semaphore; the seconds that the calls took."""
    from openai import AsyncOpenAI

    async def go() -> float:
        client = AsyncOpenAI(base_url=url, api_key="none", max_retries=0)
        gate = asyncio.Semaphore(in_flight)

        async def call(index: int) -> str:
            messages: Any = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": prompt(index)}]
            async with gate:
                reply = await client.chat.completions.create(
                    model="stub", messages=messages, max_tokens=MAX_TOKENS
                )
            return reply.choices[0].message.content or ""

        start = time.perf_counter()
        replies = await asyncio.gather(*map(call, range(requests)))
        assert all(replies)
        return time.perf_counter() - start

    return asyncio.run(go())


def distilabel(url: str, requests: int, in_flight: int, **_: Any) -> float:
    """A pipeline of one step, whose batches are as large as what may be in flight."""
    # Without this it writes a line for each call, which costs it time.
    os.environ |= {"HF_HUB_OFFLINE": "1", "DISTILABEL_LOG_LEVEL": "WARNING"}
    from distilabel.models import OpenAILLM
    from distilabel.pipeline import Pipeline
    from distilabel.steps import LoadDataFromDicts
    from distilabel.steps.tasks import TextGeneration

    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, Pipeline(name="peer", cache_dir=folder) as pipeline:
        rows = [{"instruction": prompt(i), "system_prompt": SYSTEM} for i in range(requests)]
        load = LoadDataFromDicts(data=rows, batch_size=in_flight)
        llm = OpenAILLM(
            model="stub", base_url=url, api_key="none", generation_kwargs={"max_new_tokens": MAX_TOKENS}
        )
        load >> TextGeneration(llm=llm, input_batch_size=in_flight)
        made = pipeline.run(use_cache=False)
        assert all(row["generation"] for row in made["default"]["train"])
    return time.perf_counter() - start


def curator(url: str, requests: int, in_flight: int, **_: Any) -> float:
    """An LLM object over a list of prompts, its limits out of reach."""
    os.environ |= {
        "TELEMETRY_ENABLED": "false",
        "CURATOR_DISABLE_RICH_DISPLAY": "1",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "OPENAI_API_KEY": "none",
    }
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CURATOR_CACHE_DIR"] = folder
        from bespokelabs import curator as peer

        start = time.perf_counter()
        llm = peer.LLM(
            model_name="openai/stub",
            backend="litellm",
            generation_params={"max_tokens": MAX_TOKENS},
            backend_params={
                "base_url": url,
                "max_concurrent_requests": in_flight,
                "max_requests_per_minute": 10_000_000,
                "max_tokens_per_minute": 10_000_000_000,
            },
        )
        messages = [
            [{"role": "system", "content": SYSTEM}, {"role": "user", "content": prompt(i)}]
            for i in range(requests)
        ]
        assert len(llm(messages).dataset) == requests
        return time.perf_counter() - start


def main(spec: dict[str, Any]) -> None:
    """Run one engine and print what it took."""
    if spec.get("core") is not None:
        os.sched_setaffinity(0, {spec["core"]})
    engine = spec.pop("engine")
    seconds = {"openai": openai, "distilabel": distilabel, "curator": curator}[engine](**spec)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(u.ru_utime + u.ru_stime for u in used)
    print(json.dumps({"version": version(PEERS[engine]), "seconds": seconds, "cpu": cpu}), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))

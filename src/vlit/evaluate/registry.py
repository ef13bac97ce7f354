"""The benchmarks by name."""

from __future__ import annotations

from vlit.data.registry import Registry

BENCHMARKS = Registry(
    "vlit.benchmarks",
    {
        "seed": "vlit.evaluate.benchmarks.seed:Seed",
        "scienceqa": "vlit.evaluate.benchmarks.scienceqa:ScienceQA",
        "mme": "vlit.evaluate.benchmarks.mme:MME",
        "mmbench": "vlit.evaluate.benchmarks.mmbench:MMBench",
        "mmmu": "vlit.evaluate.benchmarks.mmmu:MMMU",
        "vqav2": "vlit.evaluate.benchmarks.vqa:VQAv2",
        "okvqa": "vlit.evaluate.benchmarks.vqa:OKVQA",
        "vizwiz": "vlit.evaluate.benchmarks.vizwiz:VizWiz",
        "textvqa": "vlit.evaluate.benchmarks.textvqa:TextVQA",
        "gqa": "vlit.evaluate.benchmarks.gqa:GQA",
        "pope": "vlit.evaluate.benchmarks.pope:POPE",
        "aokvqa": "vlit.evaluate.benchmarks.aokvqa:AOKVQA",
        "llava_bench_coco": "vlit.evaluate.benchmarks.llava_bench:LlavaBenchCoco",
        "llava_bench_wild": "vlit.evaluate.benchmarks.llava_bench:LlavaBenchWild",
        "mmvet": "vlit.evaluate.benchmarks.mmvet:MMVet",
        "coco_captions": "vlit.evaluate.benchmarks.captions:CocoCaptions",
        "chair": "vlit.evaluate.benchmarks.chair:Chair",
        "held_out": "vlit.evaluate.benchmarks.held_out:HeldOut",
    },
)

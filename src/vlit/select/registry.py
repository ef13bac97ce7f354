"""All methods of choosing. A new one is a new file and one line here, or an entry point ``vlit.selectors``."""

from __future__ import annotations

from vlit.data.registry import Registry

SELECTORS = Registry(
    "vlit.selectors",
    {
        "random": "vlit.select.methods.random:Random",
        "stratified": "vlit.select.methods.stratified:Stratified",
        "weighted": "vlit.select.methods.weighted:Weighted",
        "cluster_quota": "vlit.select.methods.cluster_quota:ClusterQuota",
        "farthest": "vlit.select.methods.farthest:Farthest",
        "concepts": "vlit.select.methods.concepts:Concepts",
        "dic": "vlit.select.methods.dic:Dic",
    },
)

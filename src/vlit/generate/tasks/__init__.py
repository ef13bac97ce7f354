"""The tasks of annotation adaption, one file each: a scene becomes facts, and a pool words them."""

from __future__ import annotations

from vlit.data.registry import Registry

#: A new task is one file here (or in any package, through the entry-point group), one pool, and one line.
TASKS = Registry(
    "vlit.tasks",
    {
        "short_caption": "vlit.generate.tasks.short_caption:ShortCaption",
        "detailed_description": "vlit.generate.tasks.detailed_description:DetailedDescription",
        "presence": "vlit.generate.tasks.presence:Presence",
        "counting": "vlit.generate.tasks.counting:Counting",
        "comparison": "vlit.generate.tasks.comparison:Comparison",
        "location": "vlit.generate.tasks.location:Location",
        "relative_position": "vlit.generate.tasks.relative_position:RelativePosition",
        "referring_box": "vlit.generate.tasks.referring_box:ReferringBox",
        "box_expression": "vlit.generate.tasks.box_expression:BoxExpression",
        "category_listing": "vlit.generate.tasks.category_listing:CategoryListing",
        "open_vqa": "vlit.generate.tasks.open_vqa:OpenVqa",
        "multiple_choice": "vlit.generate.tasks.multiple_choice:MultipleChoice",
        "conversation": "vlit.generate.tasks.conversation:Conversation",
    },
)

"""How a result is loaded and served: the lines of its model card, which run as they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vlit.tune.models.architecture import Architecture

_VLLM = ("llava", "blip2")  #: architectures of which vLLM lists the standard class
#: Their processors take a prompt and pictures apart, and keep no chat template.
_BLIP = ("blip2", "instructblip")

_WHOLE = 'model = AutoModelForImageTextToText.from_pretrained("FOLDER", dtype="auto"{trust})'
_ADAPTED = (
    'base = AutoModelForImageTextToText.from_pretrained("{base}", dtype="auto"{trust})\n'
    'model = PeftModel.from_pretrained(base, "FOLDER")  # .merge_and_unload() for servers'
)
_TALK = (
    'talk = [{"role": "user", "content": [{"type": "image"IMAGE}, {"type": "text", "text": "What is this?"}]}]'
)
_SAID = "print({reader}.decode(out[0{after}], skip_special_tokens=True))"
_NEW = ', batch["input_ids"].shape[1]:'
_OURS = """processor = AutoProcessor.from_pretrained("FOLDER"{trust})
{talk}
batch = processor.apply_chat_template(
    talk, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
)
out = model.generate(**batch, max_new_tokens=64)"""
_OF_BLIP = """processor = AutoProcessor.from_pretrained("FOLDER")
{talk}
text = processor.tokenizer.apply_chat_template(talk, add_generation_prompt=True, tokenize=False)
batch = processor(images=Image.open("photo.jpg").convert("RGB"), text=text, return_tensors="pt"{bare})
{read}out = model.generate(**batch, max_new_tokens=64)"""
_READ = """told = processor.qformer_tokenizer("What is this?", return_tensors="pt")  # reads the question alone
batch |= {"qformer_input_ids": told["input_ids"], "qformer_attention_mask": told["attention_mask"]}
"""
_OF_FLAMINGO = """tokenizer = AutoTokenizer.from_pretrained("FOLDER")
images = AutoImageProcessor.from_pretrained("FOLDER")
{talk}
text = tokenizer.apply_chat_template(talk, add_generation_prompt=True, tokenize=False)
batch = tokenizer(text, return_tensors="pt", add_special_tokens=False)
pixels = images(Image.open("photo.jpg").convert("RGB"), return_tensors="pt")["pixel_values"]
out = model.generate(**batch, pixel_values=pixels, max_new_tokens=64)"""


def loading(model: Architecture, *, base: str | None = None) -> str:
    """Python that loads a result with transformers alone and asks it of ``photo.jpg``.

    Args:
        model: As it was tuned.
        base: Where the weights below adapters are: ``FOLDER/base``, or a hub id; ``None`` without adapters.
    """
    trust = ", trust_remote_code=True" if _brings_code(model) else ""
    opened = _WHOLE.format(trust=trust) if base is None else _ADAPTED.format(base=base, trust=trust)
    imports = ["from peft import PeftModel"] * (base is not None)
    if model.name in ("flamingo", *_BLIP):
        imports.append("from PIL import Image")
    reader, after, talk = "processor", _NEW, _TALK.replace("IMAGE", "")
    if model.name == "flamingo":
        reader, asked, classes = "tokenizer", _OF_FLAMINGO, "AutoImageProcessor, {}, AutoTokenizer"
    elif model.name in _BLIP:
        asked, classes = _OF_BLIP, "{}, AutoProcessor"
        asked = asked.replace("{bare}", "" if model.seq2seq else ", add_special_tokens=False")
        asked = asked.replace("{read}", _READ if model.name == "instructblip" else "")
        after = "" if model.seq2seq else _NEW
    else:
        asked, classes = _OURS.replace("{trust}", trust), "{}, AutoProcessor"
        talk = _TALK.replace("IMAGE", ', "url": "photo.jpg"')
    imports.append(f"from transformers import {classes.format('AutoModelForImageTextToText')}")
    said = _SAID.format(reader=reader, after=after)
    return "\n".join([*imports, "", opened, asked.replace("{talk}", talk), said])


def serving(model: Architecture, *, adapters: bool) -> str:
    """The commands that serve a result, or why none does."""
    if adapters:
        return "Merge the adapters first: servers ignore adapters of the vision part, or all of them."
    if _brings_code(model):
        return "By transformers alone, as above: no server lists this architecture."
    lines = []
    if model.name in _BLIP:
        why = "`transformers serve` asks processors for a chat template, and that of this class keeps none."
    else:
        why = ""
        lines.append("transformers serve FOLDER")
    if vllm_lists(model):
        lines.append("vllm serve FOLDER --chat-template FOLDER/chat_template.jinja")
    block = "\n".join(["```bash", *lines, "```"]) if lines else "By transformers alone, as above."
    return f"{block}\n\n{why}" if why else block


def vllm_lists(model: Architecture) -> bool:
    """Whether vLLM lists the class, and knows the activation of its projector."""
    act = getattr(model.model.config, "projector_hidden_act", None)
    return model.name in _VLLM and not model.seq2seq and not _brings_code(model) and act != "linear"


def _brings_code(model: Architecture) -> bool:
    """Whether its class is one of vlit, whose code lies beside the weights."""
    return str(model.model.config.model_type).startswith("vlit_")

"""Parts that models are assembled from: a vision encoder and a language model, by hub id or folder."""

from __future__ import annotations

from typing import Any

from vlit.data.errors import VlitError
from vlit.weights.device import load, quiet

#: Stands for an image in the ids. A tokenizer that lacks it gets it when a model is assembled.
IMAGE_PLACEHOLDER = "<image>"
#: Names under which tokenizers keep a token for padding that they do not declare as such.
_PADS = ("<pad>", "[PAD]", "<|pad|>", "<|padding|>", "<|finetune_right_pad_id|>")


def vision_encoder(name: str, *, weights: bool = True) -> tuple[Any, Any]:
    """A vision encoder and its image processor; of a CLIP or SigLIP, the vision half alone.

    Args:
        name: Hub id or folder.
        weights: Without them it is built on the meta device, from its config alone.

    Raises:
        VlitError: When it cannot be loaded, or has no vision encoder.
    """
    quiet()
    found: tuple[Any, Any] = load(name, lambda: _vision(name, weights))
    return found


def language_model(name: str, *, weights: bool = True) -> tuple[Any, Any]:
    """A language model and its fast tokenizer: causal, or an encoder-decoder such as T5.

    The tokenizer has a token for padding: its own, one that it keeps unused, or a new ``<pad>``; never the one
    that ends a text where that can be helped. What ends a text is not changed.

    Args:
        name: Hub id or folder.
        weights: Without them it is built on the meta device, from its config alone.

    Raises:
        VlitError: When it cannot be loaded, sees images itself, or its tokenizer is not a fast one.
    """
    quiet()
    model, tokenizer = load(name, lambda: _language(name, weights))
    if not tokenizer.is_fast:
        raise VlitError("the tokenizer is not a fast one", where=name, todo="save it once as tokenizer.json")
    if tokenizer.pad_token is None:
        _give_pad(model, tokenizer)
    return model, tokenizer


def add_token(model: Any, tokenizer: Any, token: str) -> int:
    """The id of a special token. One that is new gets a row in the embeddings, drawn around their mean.

    Embeddings that have rows to spare (padded vocabularies) keep their size.
    """
    if token not in tokenizer.get_vocab():
        from tokenizers import AddedToken

        tokenizer.add_tokens([AddedToken(token, special=True, normalized=False)], special_tokens=True)
    known = int(tokenizer.convert_tokens_to_ids(token))
    _make_room(model, known)
    return known


def on_meta(kind: Any, config: Any) -> Any:
    """A model of a class on the meta device: shapes without weights."""
    import torch

    with torch.device("meta"):
        return kind._from_config(config) if hasattr(kind, "_from_config") else kind.from_config(config)


def checkpoint(kind: Any, name: str, *, weights: bool = True) -> Any:
    """A whole model in float32, of which no weight is missing.

    Args:
        kind: Its class, or an auto class.
        name: Hub id or folder.
        weights: Without them it is built on the meta device, from its config alone.

    Raises:
        VlitError: When it cannot be loaded, or lacks weights: transformers would draw them and go on.
    """
    import torch
    from transformers import AutoConfig

    quiet()
    if not weights:
        return load(name, lambda: on_meta(kind, AutoConfig.from_pretrained(name)))
    model, about = load(name, lambda: kind.from_pretrained(name, dtype=torch.float32, output_loading_info=True))
    _refuse_missing(about, name)
    return model


def whole_processor(name: str) -> Any:
    """A processor with tokenizer and image processor; its chat template is the tokenizer's too from then on.

    Older checkpoints keep the template that shows images with the processor alone.

    Raises:
        VlitError: When there is none, or packages that it needs lack.
    """
    from transformers import AutoProcessor

    def opened() -> Any:
        try:
            return AutoProcessor.from_pretrained(name)
        except ImportError as error:
            said = next((line for line in str(error).splitlines() if line.strip()), "")
            raise VlitError(
                f"its processor needs a package that is not installed: {said.strip()}",
                where=name,
                todo="install torchvision in the variant that belongs to the installed torch",
            ) from error

    found = load(name, opened)
    if not hasattr(found, "image_processor") or not hasattr(found, "tokenizer"):
        raise VlitError(
            f"there is no whole processor: found {type(found).__name__}",
            where=name,
            todo="save the processor beside the model; some of them need torchvision",
        )
    if isinstance(own := getattr(found, "chat_template", None), str):
        found.tokenizer.chat_template = own
    return found


def image_processor(name: str) -> Any:
    """An image processor, in Pillow alone where torchvision is not installed.

    Raises:
        VlitError: When it cannot be loaded.
    """
    # Its name at the top of the package asks for torchvision in versions that do without it here.
    from transformers.models.auto.image_processing_auto import AutoImageProcessor

    return load(name, lambda: AutoImageProcessor.from_pretrained(name))


def _refuse_missing(about: dict[str, Any], name: str) -> None:
    if missing := sorted(about["missing_keys"]):
        raise VlitError(
            f"{len(missing)} weights are not in this checkpoint, such as {missing[0]}",
            where=name,
            todo="name a checkpoint that save_pretrained has written whole, and of this architecture",
        )


def _give_pad(model: Any, tokenizer: Any) -> None:
    known = tokenizer.get_vocab()
    spare = next((token for token in _PADS if token in known and token != tokenizer.eos_token), None)
    if spare is None and tokenizer.unk_token not in (None, tokenizer.eos_token, tokenizer.bos_token):
        spare = tokenizer.unk_token
    tokenizer.add_special_tokens({"pad_token": spare or _PADS[0]})
    _make_room(model, tokenizer.pad_token_id)


def _make_room(model: Any, known: int) -> None:
    if model.get_input_embeddings().num_embeddings <= known:
        drawn = model.device.type != "meta"
        model.resize_token_embeddings(known + 1, mean_resizing=drawn)


def _vision(name: str, weights: bool) -> tuple[Any, Any]:
    import torch
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.from_pretrained(name)
    config = getattr(config, "vision_config", config)
    model = on_meta(AutoModel, config)
    if model.main_input_name != "pixel_values":
        raise VlitError(
            f"{type(model).__name__} reads {model.main_input_name}: this is no vision encoder",
            where=name,
            todo="name a CLIP or SigLIP",
        )
    if weights:
        model, about = type(model).from_pretrained(
            name, config=config, dtype=torch.float32, output_loading_info=True
        )
        _refuse_missing(about, name)
    return model, image_processor(name)


def _language(name: str, weights: bool) -> tuple[Any, Any]:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

    config = AutoConfig.from_pretrained(name)
    if hasattr(config, "vision_config"):
        raise VlitError(
            f"this is a whole model that sees images ({config.model_type})",
            where=name,
            todo="name a language model as llm, or this one as checkpoint",
        )
    kind = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    if not weights:
        return on_meta(kind, config), AutoTokenizer.from_pretrained(name)
    opened: Any = kind.from_pretrained
    model, about = opened(name, dtype=torch.float32, output_loading_info=True)
    _refuse_missing(about, name)
    return model, AutoTokenizer.from_pretrained(name)

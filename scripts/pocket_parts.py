"""The pocket model's empty parts: tokenizer, vision encoder, language model; and how they are saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pocket_shapes as shapes

from vlit.api import Scenes
from vlit.data.boxes import Box
from vlit.data.sample import strip_image_tokens
from vlit.data.scene import Image, Object, Scene
from vlit.data.seeds import rng
from vlit.tune.chat.template import named

PATCH = 12
PATCHES = (shapes.SIDE // PATCH) ** 2
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>", "<pad>")
VOCABULARY = 1_920
LONGEST = 2_048
WIDTH = 128


def new_tokenizer(seed: int) -> Any:
    """Byte-level BPE of the texts that vlit makes about shapes and everyday things; digits stand alone."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    core.train_from_iterator(_texts(seed), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        eos_token="<|im_end|>",
        bos_token="<|endoftext|>",
        pad_token="<pad>",
        additional_special_tokens=["<|im_start|>", "<image>"],
        model_max_length=LONGEST,
        clean_up_tokenization_spaces=False,
        chat_template=TEMPLATE,
    )


def _texts(seed: int) -> list[str]:
    scenes = [shapes.picture(seed, n, coloured=bool(n % 2)).scene for n in range(400)]
    groups = [[s for n, s in enumerate(scenes) if n % 2 == half] for half in (0, 1)]
    groups.append([_everyday(seed, n) for n in range(400)])
    return [
        strip_image_tokens(turn.text)
        for group in groups
        for sample in Scenes(group).adapt(seed=seed)
        for turn in sample.turns
    ]


def _everyday(seed: int, number: int) -> Scene:
    """A made-up scene of things that photos show, for their names alone: it has no picture."""
    random = rng(seed, "everyday", str(number))
    objects = []
    for i in range(random.randint(2, 7)):
        x, y, w, h = (
            random.random() * 300,
            random.random() * 300,
            random.uniform(40, 300),
            random.uniform(40, 300),
        )
        objects.append(Object(id=str(i), label=random.choice(THINGS), box=Box(x, y, x + w, y + h)))
    image = Image(uri=f"none/{number}", width=640, height=640)
    return Scene(id=f"everyday/{number}", image=image, source="none", objects=tuple(objects), searched=THINGS)


#: What COCO's annotators looked for.
THINGS = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "bench",
    "bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "backpack",
    "umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "kite", "skateboard",
    "surfboard", "bottle", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange",
    "broccoli", "carrot", "pizza", "donut", "cake", "chair", "couch", "bed", "toilet", "tv", "laptop",
    "mouse", "remote", "keyboard", "microwave", "oven", "toaster", "sink", "refrigerator", "book",
    "clock", "vase", "scissors", "cup", "traffic light", "fire hydrant", "stop sign", "parking meter",
    "sports ball", "baseball bat", "baseball glove", "tennis racket", "wine glass", "hot dog",
    "potted plant", "dining table", "cell phone", "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip

TEMPLATE = named("chatml")


def new_model(tokenizer: Any) -> Any:
    """A LLaVA of random weights: CLIP's vision encoder, a two-layer projector, Llama."""
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

    ids = {name: tokenizer.convert_tokens_to_ids(name) for name in SPECIAL}
    vision = CLIPVisionConfig(
        hidden_size=WIDTH, intermediate_size=512, num_hidden_layers=4, num_attention_heads=4,
        image_size=shapes.SIDE, patch_size=PATCH, projection_dim=WIDTH, hidden_act="gelu", layer_norm_eps=1e-5,
    )  # fmt: skip
    text = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=WIDTH, intermediate_size=384, num_hidden_layers=4,
        num_attention_heads=4, num_key_value_heads=4, max_position_embeddings=LONGEST, tie_word_embeddings=True,
        bos_token_id=ids["<|endoftext|>"], eos_token_id=ids["<|im_end|>"], pad_token_id=ids["<pad>"],
    )  # fmt: skip
    config = LlavaConfig(
        vision_config=vision, text_config=text, image_token_index=ids["<image>"], image_seq_length=PATCHES,
        vision_feature_layer=-1, vision_feature_select_strategy="default", tie_word_embeddings=True,
    )  # fmt: skip
    config._attn_implementation = "eager"
    return LlavaForConditionalGeneration(config)


def write(model: Any, tokenizer: Any, folder: Path) -> None:
    """Weights, configuration, tokenizer and processor, as ``from_pretrained`` reads them."""
    import transformers
    from transformers import LlavaProcessor

    model.save_pretrained(folder)
    kind = getattr(transformers, "CLIPImageProcessorPil", None) or transformers.CLIPImageProcessor
    images = kind(
        size={"height": shapes.SIDE, "width": shapes.SIDE}, do_center_crop=False,
        image_mean=[0.5] * 3, image_std=[0.5] * 3,
    )  # fmt: skip
    LlavaProcessor(
        image_processor=images, tokenizer=tokenizer, patch_size=PATCH, vision_feature_select_strategy="default",
        num_additional_image_tokens=1, chat_template=TEMPLATE,
    ).save_pretrained(folder)  # fmt: skip

"""The recipe's ``tune:`` key: the model, the stages that it goes through, and how the work is done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import pydantic
from pydantic import Field

from vlit.data.errors import VlitError
from vlit.run import stage

How = Literal["frozen", "full", "lora"]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1)]


class Trainable(stage.Config):
    """What happens to each part of the model."""

    vision: How = Field("frozen", description="the vision encoder")
    connector: How = Field("full", description="projector, Q-Former, or resampler with gated cross-attention")
    llm: How = Field("frozen", description="the language model")

    @pydantic.model_validator(mode="after")
    def _something(self) -> Self:
        if all(how == "frozen" for how in (self.vision, self.connector, self.llm)):
            raise ValueError("all parts are frozen: there is nothing to tune")
        return self


class Rates(stage.Config):
    """A learning rate for each part. One number in the recipe stands for all three."""

    vision: Positive | None = None
    connector: Positive | None = None
    llm: Positive | None = None

    @pydantic.model_validator(mode="before")
    @classmethod
    def _one_for_all(cls, given: Any) -> Any:
        if isinstance(given, (int, float, str)) and not isinstance(given, bool):
            return dict.fromkeys(("vision", "connector", "llm"), given)
        return given


class LoraConfig(stage.Config):
    """Low-rank adapters, where a part is tuned by ``lora``."""

    rank: int = Field(128, ge=1)
    alpha: Positive = Field(256, description="the update is scaled by alpha / rank")
    dropout: Share = 0.05
    targets: tuple[str, ...] = Field(
        (), description="last names of the linear layers, e.g. [q_proj, v_proj]; all of the part by default"
    )
    dora: bool = Field(False, description="weight-decomposed adapters (DoRA)")
    quantise: Literal["4bit"] | None = Field(
        None, description="4bit: hold what is frozen in 4 bits (QLoRA); needs bitsandbytes and a GPU"
    )
    merge: bool = Field(True, description="write the merged weights, which any server loads; false: adapters")


class DataConfig(stage.Config):
    """The samples of a stage: the run's own selection, or a file."""

    variant: str | None = Field(None, description="a variant of the selection; by default the selection itself")
    path: str | None = Field(None, description="an instruction set in any known format, instead")
    images: str | None = Field(None, description="the folder that the set's image paths are relative to")

    @pydantic.model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.variant is not None and self.path is not None:
            raise ValueError("name a variant or a path, not both")
        if self.images is not None and self.path is None:
            raise ValueError("images are those of a set: name its path too; samples of a run know their photos")
        return self


class StageConfig(stage.Config):
    """One stage of tuning, such as align or instruct."""

    name: str = Field("instruct", pattern=r"^\w[\w-]*$", description="its folder below model/stages")
    data: DataConfig | None = Field(None, description="of this stage; by default that of all stages")
    trainable: Trainable = Trainable()
    lr: Rates = Field(
        Rates(vision=2e-5, connector=2e-5, llm=2e-5), description="one number, or one for each part"
    )
    batch: int = Field(128, ge=1, description="samples of an optimiser step, over all processes")
    epochs: Positive = Field(1, description="passes over the data; a fraction is a part of one")
    steps: int | None = Field(None, ge=1, description="optimiser steps, instead of epochs")
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: Annotated[float, Field(ge=0)] = Field(
        0.03, description="share of the steps in which the rate rises; from 1 on, a number of steps"
    )
    lr_min: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0, description="where the schedule ends, as a share of the rate"
    )
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    betas: tuple[Share, Share] = (0.9, 0.999)
    clip: Annotated[float, Field(ge=0)] = Field(1.0, description="largest gradient norm; 0 for any")
    template: str | None = Field(None, description="chat template of this stage; by default the model's")
    train_embeddings: Literal["all", "new"] = Field(
        "all",
        description="new: of the token embeddings only the rows of added tokens, also of a frozen llm",
    )


class ModelConfig(stage.Config):
    """What is tuned: a checkpoint, or parts of which a model is assembled."""

    checkpoint: str | None = Field(
        None, description="hub id or folder of a whole model; `pocket` is the small one that vlit brings"
    )
    architecture: str | None = Field(
        None, description="llava, blip2, instructblip, flamingo, or auto; by default told by the checkpoint"
    )
    vision: str | None = Field(None, description="hub id or folder of the vision encoder (CLIP, SigLIP)")
    llm: str | None = Field(None, description="hub id or folder of the language model")
    connector: Mapping[str, Any] = Field(
        {}, description="e.g. {kind: mlp2x_gelu}; the page on models lists what each architecture takes"
    )
    template: str | None = Field(
        None, description="a chat template of vlit, or a .jinja file; by default the tokenizer's own"
    )
    image: Literal["pad", "crop", "resize"] | None = Field(
        None, description="how photos become square; by default as the image processor does"
    )

    @pydantic.model_validator(mode="after")
    def _whole_or_parts(self) -> Self:
        parts = {"vision": self.vision, "llm": self.llm}
        if self.checkpoint is not None:
            if named := [name for name, value in parts.items() if value is not None]:
                raise ValueError(f"a checkpoint brings all parts; leave out {' and '.join(named)}")
        elif missing := [name for name, value in parts.items() if value is None]:
            if len(missing) == 1 or self.architecture is not None:
                raise ValueError(f"without a checkpoint, name {' and '.join(missing)} too")
        elif self.architecture is None:
            raise ValueError("name the architecture that the parts are assembled to: llava, blip2 or flamingo")
        return self


class HeldOut(stage.Config):
    """Samples that are not trained on: their loss is reported, and answers to them are shown."""

    share: Share = Field(0.02, description="of the images; all samples of such an image are held out")
    most: int = Field(1000, ge=0, description="samples at most")
    every: int = Field(200, ge=1, description="steps between two measurements; also at both ends")
    answers: int = Field(16, ge=0, description="samples that the tuned model answers at the end")


class TuneConfig(stage.Config):
    """How a model is tuned. Whatever the recipe leaves out comes from the preset, then from the defaults."""

    preset: str | None = Field(
        None, description="settings of a published model; `vlit tune --presets` lists them"
    )
    model: ModelConfig = ModelConfig(checkpoint="pocket")
    data: DataConfig = DataConfig()
    stages: tuple[StageConfig, ...] = (StageConfig(),)
    lora: LoraConfig = LoraConfig()
    max_length: int = Field(2048, ge=8, description="tokens of a sample, image features counted")
    overlong: Literal["shorten", "refuse"] = Field(
        "shorten", description="shorten: drop last turns, then the end of the last answer; never an image"
    )
    row: int | None = Field(
        None,
        ge=8,
        description="tokens of a row that documents share, and of a padded batch; 4 x max_length by default",
    )
    pack: bool = Field(
        True, description="several documents to a row, isolated; T5 and `auto` models are padded"
    )
    attention: Literal["auto", "dense", "segments", "flex", "varlen"] = Field(
        "auto", description="how documents of a row are kept apart; auto: varlen on a GPU, else segments"
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto",
        description="bf16 multiplies in bfloat16; weights that are tuned stay in float32. auto: bf16 on a GPU",
    )
    device: str = "auto"
    processes: int = Field(1, ge=1, description="processes on this machine, one GPU each")
    sharding: Literal["none", "fsdp2"] = Field("none", description="between several processes")
    compile: bool = Field(False, description="torch.compile; pays on a GPU in long runs")
    checkpointing: bool = Field(False, description="recompute activations in the backward pass, for memory")
    readers: int = Field(2, ge=0, description="threads that open photos; 0: in line with the steps")
    save_every: int = Field(
        500, ge=1, description="steps between two checkpoints that a killed run goes on from"
    )
    keep: int = Field(2, ge=1, description="checkpoints that are kept")
    unreadable: Share = Field(0.01, description="largest share of images that may be skipped as corrupt")
    trackers: tuple[Literal["tensorboard", "wandb", "trackio"], ...] = Field(
        (), description="beside metrics.jsonl"
    )
    held_out: HeldOut = HeldOut()

    @pydantic.model_validator(mode="before")
    @classmethod
    def _over_preset(cls, values: Any) -> Any:
        from vlit.tune.preset import fill

        try:
            return fill(values) if isinstance(values, Mapping) else values
        except VlitError as error:
            raise ValueError(f"preset: {error.what}; {error.todo}") from None

    @pydantic.model_validator(mode="after")
    def _stages_have_names(self) -> Self:
        names = [s.name for s in self.stages]
        if not names:
            raise ValueError("name at least one stage")
        if len(set(names)) < len(names):
            raise ValueError(f"two stages have the same name; found {', '.join(names)}")
        return self

"""Ids and mask together: what is trained is what was answered, whatever was said."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.teacher.tiny import byte_tokenizer
from tests.tune.chat import talk
from vlit.data.sample import Role
from vlit.tune.chat.encode import Encoder
from vlit.tune.chat.template import names
from vlit.tune.example import IGNORE, Refused

TOKENIZERS = ("byte", "legacy", "piece")
NASTY = (
    "",
    "ASSISTANT: USER: Human: ### Assistant:",
    "</s>",
    "<s> </s><unk>",
    "<image>",
    "<image>\n<image>",
    "<|im_end|>\n<|im_start|>user\nHi<|im_end|>",
    "<|endofchunk|><|endoftext|><answer>",
    "</</s>s>",
    "<0x0A><0x41>",
    "[/INST] a [INST] <<SYS>>",
    "🙂👩‍👩‍👧 é ﷽",
    "犬がベンチに座っている。",
    "كلب يجلس على مقعد",
    "{{ messages }}{% raw %}",
    "two\n\nparagraphs\n\n\tand  spaces",
    "\ue0000\ue001",
    "Question: Answer:\n###",
)
#: No ▁, which SentencePiece gives back as a space.
SAID = st.one_of(
    st.sampled_from(NASTY),
    st.text(st.characters(exclude_characters="▁", exclude_categories=["Cs"]), max_size=30),
    st.lists(st.sampled_from(NASTY), max_size=3).map(" ".join),
)


def tokenizer(kind: str) -> Any:
    return talk.byte_level() if kind == "byte" else talk.sentence_piece(kind == "legacy")


@cache
def encoder(kind: str, template: str) -> Encoder:
    return talk.encoder(tokenizer(kind), template)


@pytest.mark.parametrize("template", names())
@pytest.mark.parametrize("kind", TOKENIZERS)
@settings(max_examples=25, deadline=None)
@given(talked=st.lists(st.tuples(SAID, SAID), min_size=1, max_size=3), images=st.integers(0, 2))
@example(talked=[("What?", "word " * 3000), ("And?", "yes")], images=1)
@example(talked=[("What? " * 1000, "<image></s>" * 300)], images=0)
def test_what_is_trained_is_the_answers_and_their_ends(
    kind: str, template: str, talked: list[tuple[str, str]], images: int
) -> None:
    made, known = encoder(kind, template), tokenizer(kind)
    asked = [question.replace("<image>", "< image>") for question, _ in talked]
    sample = talk.sample(*(t for q, (_, a) in zip(asked, talked, strict=True) for t in (q, a)), images=images)
    (found,) = made.examples(sample)
    wanted = [(answer.strip() + made.layout.end).removeprefix(" ") for _, answer in talked]
    if template == "plain":  # nothing stands between two answers
        assert "".join(talk.read(known, ids) for ids in talk.trained(found)) == "".join(wanted)
    else:
        assert [talk.read(known, ids) for ids in talk.trained(found)] == wanted
    kept = found.labels != IGNORE
    assert (found.labels[kept] == found.ids[kept]).all()
    marker = known.convert_tokens_to_ids("<image>")
    assert int((found.ids == marker).sum()) == images * talk.PATCHES
    assert all((found.ids[a:b] == marker).all() for a, b in found.slots) and len(found.slots) == images
    eos = int((found.ids == known.eos_token_id).sum())
    assert eos == (len(talked) if known.eos_token in made.layout.end else 0)
    if known.bos_token is not None:
        assert int((found.ids == known.bos_token_id).sum()) == (len(talked) if template == "llama2" else 1)


@pytest.mark.parametrize("template", names())
@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize("answer", ["A dog.", "", "</s> ASSISTANT: x", "\n###"])
def test_a_prompt_begins_the_dialogue_that_goes_on_from_it(kind: str, template: str, answer: str) -> None:
    made = encoder(kind, template)
    said: list[str | tuple[Role, str]] = [
        ("system", "Be brief."),
        ("user", "<image>\nWhat is it?"),
        ("assistant", "A cat."),
        ("user", "Sure?"),
    ]
    (whole,) = made.examples(talk.sample(*said, ("assistant", answer)))
    prompt = made.prompt(talk.sample(*said))
    assert prompt.ids.tolist() == whole.ids[: len(prompt.ids)].tolist() and prompt.slots == whole.slots
    assert prompt.trained == 0 and prompt.images == whole.images
    rest = [label for label in whole.labels[len(prompt.ids) :].tolist() if label != IGNORE]
    assert whole.labels[len(prompt.ids)] != IGNORE
    known = tokenizer(kind)
    assert talk.read(known, rest) == (answer.strip() + made.layout.end).removeprefix(" ")
    answered = talk.sample(*said, ("assistant", "something else"))
    assert made.prompt(answered).ids.tolist() == prompt.ids.tolist()


@pytest.mark.parametrize("template", names())
@pytest.mark.parametrize("kind", TOKENIZERS)
def test_a_server_that_reads_one_text_reads_the_same(kind: str, template: str) -> None:
    """Rendered and tokenized by transformers alone, from the template that is stored with the checkpoint."""
    made, known = encoder(kind, template), tokenizer(kind)
    assert [r for r in made.remarks if "differ" in r or "asked" in r] == []
    talked: list[tuple[Role, str]] = [
        ("user", "What is it? Is it red?"),
        ("assistant", "A red dog."),
        ("user", "Where?"),
    ]
    messages: list[dict[str, Any]] = [{"role": r, "content": [{"type": "text", "text": t}]} for r, t in talked]
    messages[0]["content"].insert(0, {"type": "image"})
    served = known.apply_chat_template(
        messages, chat_template=made.template.text, add_generation_prompt=True, return_dict=False
    )
    ours = made.prompt(talk.sample(*talked))
    short = [i for n, i in enumerate(ours.ids.tolist()) if not any(a < n < b for a, b in ours.slots)]
    if made.layout.front:  # the processor puts them there
        short = short[1:]
    if template in ("llava_v0", "vicuna", "blip2", "dialogue", "mistral", "llama2"):
        assert not known.decode(short).endswith(" ")
    assert short == served
    as_text = known.apply_chat_template(
        [
            {"role": r, "content": ("<image>\n" if r == "user" and not n else "") + t}
            for n, (r, t) in enumerate(talked)
        ],
        chat_template=made.template.text,
        add_generation_prompt=True,
        return_dict=False,
    )
    assert made.layout.front or as_text == served or template in ("flamingo", "otter")


def test_the_mask_of_llava_by_hand() -> None:
    """Vicuna's turns in LLaVA 1.5: the answers with the space in front of them, and EOS; nothing else."""
    known = byte_tokenizer()
    made = talk.encoder(known, "vicuna")
    (found,) = made.examples(
        talk.sample(
            ("system", "Hi."),
            ("user", "<image>\nHow?"),
            ("assistant", "So."),
            ("user", "X"),
            ("assistant", "Y"),
        )
    )
    pieces = [
        ("Hi. USER: ", False),
        (["<image>"] * 3, False),
        ("\nHow? ASSISTANT:", False),
        (" So.", True),
        (["</s>"], True),
        ("USER: X ASSISTANT:", False),
        (" Y", True),
        (["</s>"], True),
    ]
    byte = {
        c: known.convert_tokens_to_ids({" ": "Ġ", "\n": "Ċ"}.get(c, c)) for c in map(chr, [10, *range(32, 127)])
    }
    rows = [
        (byte[sign] if isinstance(text, str) else known.convert_tokens_to_ids(sign), label)
        for text, label in pieces
        for sign in text
    ]
    assert found.ids.tolist() == [i for i, _ in rows]
    assert found.labels.tolist() == [i if label else IGNORE for i, label in rows]
    assert found.slots == ((10, 13),)


def test_the_first_words_of_texts_are_read_as_llama_reads_them() -> None:
    known = talk.sentence_piece(True)
    (found,) = encoder("legacy", "vicuna").examples(talk.sample("<image>\nWhat?", "A dog."))
    tokens = known.convert_ids_to_tokens(found.ids.tolist())
    assert tokens[0] == "<s>" and tokens.count("<s>") == 1
    assert tokens[1].startswith("▁")  # the text begins with a space that nobody wrote
    answer = known.convert_ids_to_tokens(talk.trained(found)[0])
    assert answer[0].startswith("▁A") and answer[-1] == "</s>"


def test_images_stand_where_the_text_says_or_in_front() -> None:
    made = encoder("byte", "chatml")

    def shown(*texts: str, images: int) -> str:
        (found,) = made.examples(talk.sample(*texts, images=images))
        return str(tokenizer("byte").decode(found.ids.tolist())).replace("<image>" * talk.PATCHES, "[image]")

    assert "user\n[image]\nWhat?<" in shown("What?", "x", images=1)
    assert "user\n[image]\n[image]\nWhat?<" in shown("What?", "x", images=2)
    assert "user\nLook at [image] and at [image]!<" in shown("Look at <image> and at <image>!", "x", images=2)
    assert "user\nWhat?\n[image]<" in shown("What?\n<image>", "x", images=1)
    assert "user\nA<|im_end|>" in shown("A", "x", "<image>\nB", "y", images=1)
    assert "user\n[image]\nB<" in shown("A", "x", "<image>\nB", "y", images=1)
    assert "user\nWhat is <image>?<" in shown("What is <image>?", "x", images=0)
    with pytest.raises(Refused, match="have 1 <image>, and the sample has 2 images"):
        shown("<image> What?", "x", images=2)


def test_a_caption_that_nobody_asked_for() -> None:
    (found,) = encoder("byte", "plain").examples(talk.sample(("assistant", "A dog.")))
    known = tokenizer("byte")
    assert known.decode(found.ids.tolist()) == "<image>" * talk.PATCHES + "A dog.\n"
    assert [talk.read(known, ids) for ids in talk.trained(found)] == ["A dog.\n"] and found.instruction == ""


def test_what_cannot_be_trained_is_refused() -> None:
    made = encoder("byte", "chatml")
    with pytest.raises(Refused, match="no answer"):
        made.examples(talk.sample("What?"))
    with pytest.raises(Refused, match="no turn of the user"):
        made.prompt(talk.sample(("system", "x"), ("assistant", "y"), images=0))
    (found,) = made.examples(talk.sample("What?", "A dog.", "And <image>?"))
    assert found.notes == ("a last turn without an answer is left out",)
    assert found.images == () and found.slots == ()  # the image went with its turn
    assert found.instruction == "What?"


def test_generation_stops_where_answers_end() -> None:
    for kind in TOKENIZERS:
        known = tokenizer(kind)
        eos = known.eos_token_id
        stops = {name: encoder(kind, name).stops for name in names()}
        assert stops["vicuna"] == stops["llama2"] == stops["mistral"] == stops["blip2"] == (eos,)
        assert stops["chatml"] == (known.convert_tokens_to_ids("<|im_end|>"), eos)
        assert stops["flamingo"] == stops["otter"] == (known.convert_tokens_to_ids("<|endofchunk|>"), eos)
        assert stops["plain"] == (known.encode("a\n", add_special_tokens=False)[-1], eos)
        assert stops["llava_v0"] == (eos,)  # the last sign of its end stands in many an answer
        assert any("stop string" in remark for remark in encoder(kind, "llava_v0").remarks)

"""What is seen of an example."""

from __future__ import annotations

import dataclasses

from tests.tune.chat import talk
from vlit.tune.chat.inspect import coloured


def test_trained_text_images_and_ends_are_seen_without_colours() -> None:
    known = talk.byte_level()
    (found,) = talk.encoder(known, "chatml").examples(talk.sample("<image>\nWhat?", "A dog.\n\tYes"))
    text = coloured(known, dataclasses.replace(found, notes=("something is cut",)))
    head, note, *rest = text.plain.split("\n")
    assert head == f"s: {len(found.ids)} tokens, {found.trained} trained, 1 image"
    assert note == "! something is cut"
    assert "\n".join(rest) == (
        "<|im_start|>user↵\n<image x3>↵\nWhat?<|im_end|>↵\n<|im_start|>assistant↵\n"
        "⟦A dog.↵\n⇥Yes<|im_end|>⟧↵\n\n"
    )
    styled = {text.plain[span.start : span.end]: str(span.style) for span in text.spans}
    assert styled["⟦A dog.↵\n⇥Yes<|im_end|>⟧"] == "bold green" and styled["<image x3>"] == "cyan"


def test_spaces_at_borders_and_signs_that_terminals_obey() -> None:
    known = talk.sentence_piece(True)
    (found,) = talk.encoder(known, "vicuna").examples(talk.sample("What?", "A \x1b[31mdog", images=0))
    assert "ASSISTANT:⟦·A �[31mdog</s>⟧" in coloured(known, found).plain
    assert "0 images" in coloured(known, found).plain


def test_the_answer_of_an_encoder_decoder_follows_an_arrow() -> None:
    known = talk.unigram()
    (found,) = talk.encoder(known, "blip2", seq2seq=True).examples(talk.sample("<image>\nWhat is it?", "a dog"))
    assert coloured(known, found).plain.endswith("</s>\n→ ⟦a dog</s>⟧\n")
    assert "<image x3> Question: What is it? Answer:</s>" in coloured(known, found).plain

"""Templates: vlit's own, and the shapes that models bring."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from tests.tune.chat import talk
from vlit.data.errors import VlitError
from vlit.tune.chat.encode import Encoder
from vlit.tune.chat.template import Template, named, names
from vlit.tune.example import Refused

#: Images of a turn before its text, a generation block, no EOS: as checkpoints of LLaVA 1.5 carry it.
LLAVA = (
    "{% for m in messages %}{% if m['role'] != 'system' %}{{ m['role'].upper() + ': ' }}{% endif %}"
    "{% for part in m['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\n' }}{% endfor %}"
    "{% for part in m['content'] | selectattr('type', 'equalto', 'text') %}"
    "{% if m['role'] == 'assistant' %}{% generation %}{{ part['text'] + ' ' }}{% endgeneration %}"
    "{% else %}{{ part['text'] + ' ' }}{% endif %}{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
#: Headers between special tokens, the day, contents trimmed, BOS written: in the manner of Llama 3.
LLAMA3 = (
    "{{- bos_token }}{%- if not date_string is defined %}"
    "{%- set date_string = strftime_now('%d %b %Y') %}{%- endif %}"
    "{{- '<|im_start|>system\n\nToday: ' + strftime_now('%Y') + date_string + '<|eot|>' }}"
    "{%- for m in messages %}{{- '<|im_start|>' + m.role + '<|im_end|>\n\n' }}"
    "{%- if m.content is string %}{{- m.content | trim }}{%- else %}{%- for part in m.content %}"
    "{%- if part.type == 'image' %}{{- '<image>' }}{%- else %}{{- part.text | trim }}{%- endif %}"
    "{%- endfor %}{%- endif %}{{- '<|eot|>' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant<|im_end|>\n\n' }}{%- endif %}"
)
#: A system turn by default, an empty thought before the last answer, none in history, strings only: as Qwen 3.
QWEN = (
    "{%- if messages[0].role == 'system' %}{{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}"
    "{%- else %}{{- '<|im_start|>system\nBe of help.<|im_end|>\n' }}{%- endif %}"
    "{%- for m in messages %}"
    "{%- if m.role == 'user' %}{{- '<|im_start|>user\n' + m.content + '<|im_end|>\n' }}"
    "{%- elif m.role == 'assistant' %}{%- set said = m.content.split('</think>')[-1].lstrip('\n') %}"
    "{{- '<|im_start|>assistant\n' }}{%- if loop.last %}{{- '<think>\n\n</think>\n\n' }}{%- endif %}"
    "{{- said + '<|im_end|>\n' }}{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}"
    "{{- '<think>\n\n</think>\n\n' }}{%- endif %}{%- endif %}"
)
#: Turns must alternate, no system turn; contents are strings: in the manner of the first Mistral.
MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Roles must alternate user, assistant') }}{% endif %}"
    "{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST]' }}"
    "{% else %}{{ ' ' + m['content'] + eos_token }}{% endif %}{% endfor %}"
)


def shown(made: Encoder, *texts: str, images: int = 1) -> tuple[str, list[str]]:
    """What is read of turns, an image as one word, and what of it is trained."""
    (found,) = made.examples(talk.sample(*texts, images=images))
    known = made.model.tokenizer
    text = known.decode(found.ids.tolist()).replace("<image>" * talk.PATCHES, "[image]")
    return text, [talk.read(known, ids) for ids in talk.trained(found)]


def test_a_template_without_an_end_gets_eos() -> None:
    made = talk.jinja(talk.byte_level(), LLAVA)
    text, trained = shown(made, "What?\n<image>", "A dog.", "Sure?", "USER: yes")
    assert trained == ["A dog.<|endoftext|>", "USER: yes<|endoftext|>"]
    assert text == (
        "USER: [image]\nWhat? ASSISTANT: A dog.<|endoftext|> USER: Sure? ASSISTANT: USER: yes<|endoftext|>"
    )
    assert any("EOS" not in r and "<|endoftext|> is added" in r for r in made.remarks)
    prompt = made.prompt(talk.sample("What?"))
    assert made.model.tokenizer.decode(prompt.ids.tolist()).endswith("What? ASSISTANT:")


def test_headers_and_a_bos_that_the_template_writes() -> None:
    known = copy.deepcopy(talk.sentence_piece(False))
    made = talk.jinja(known, LLAMA3)
    text, trained = shown(made, "<image>\nWhat?", "<|eot|>", "And <image>?", "", images=2)
    assert trained == ["<|eot|><|eot|>", "<|eot|>"]
    assert text.count("<s>") == 1 and "Today: 202426 Jul 2024<|eot|>" in text
    assert any("26 Jul 2024" in remark for remark in made.remarks)
    (found,) = made.examples(talk.sample("What?", "<|eot|>"))
    assert found.trained > 2  # the first is text, the second the end
    assert made.stops == (known.convert_tokens_to_ids("<|eot|>"), known.eos_token_id)


def test_strings_a_default_system_turn_and_thoughts() -> None:
    made = talk.jinja(talk.byte_level(), QWEN)
    assert made.layout.form == "strings" and made.layout.end == "<|im_end|>"
    text, trained = shown(made, "What?", "<think>\na\n</think>\n\nA dog.", "Sure?", "Yes.")
    assert trained == ["<think>\na\n</think>\n\nA dog.<|im_end|>", "Yes.<|im_end|>"]
    assert text.startswith(
        "<|im_start|>system\nBe of help.<|im_end|>\n<|im_start|>user\n[image]\nWhat?<|im_end|>"
    )
    prompt = made.prompt(talk.sample("What?"))
    assert made.model.tokenizer.decode(prompt.ids.tolist()).endswith("assistant\n<think>\n\n</think>\n\n")
    assert any("enable_thinking false" in remark for remark in made.remarks)
    assert "Be short." in shown(made, "What?", "x")[0].replace("Be of help.", "Be short.")
    system = talk.sample(("system", "Be short."), ("user", "What?"), ("assistant", "A dog."))
    read = made.model.tokenizer.decode(made.examples(system)[0].ids.tolist())
    assert read.count("system\n") == 1 and "Be short." in read


def test_a_template_that_minds_the_order_of_turns() -> None:
    made = talk.jinja(talk.sentence_piece(True), MISTRAL)
    text, trained = shown(made, "What?", "A dog.")
    assert trained == ["A dog.</s>"] and text.count("<s>") == 1
    with pytest.raises(Refused, match="Roles must alternate"):
        made.examples(talk.sample(("user", "a"), ("user", "b"), ("assistant", "c")))
    with pytest.raises(Refused, match="Roles must alternate"):
        made.examples(talk.sample(("system", "a"), ("user", "b"), ("assistant", "c")))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{% for m in messages %}{{ m.role }}:{{ m.content }}{% endfor %}", None),
        (
            "{% for m in messages[-2:] %}{{ m.role }}:{{ m.content }}{{ eos_token }}{% endfor %}",
            "drops, repeats",
        ),
        (
            "{% for m in messages[::-1] %}{{ m.role }}:{{ m.content }}{{ eos_token }}{% endfor %}",
            "drops, repeats",
        ),
        ("{% for m in messages %}{{ m.content }}{{ m.content }}{% endfor %}", "drops, repeats"),
        ("{% for m in messages %}{{ m.role }}{% endfor %}", "drops, repeats"),
        ("{% for m in messages %}{{ m.content | replace('<image>', '') }}{% endfor %}", "0 images of 1"),
        (
            '{%- set images = "first" -%}{% for m in messages %}<image>{{ m.content }}{% endfor %}',
            "writes them too",
        ),
        ("{{ raise_exception('never') }}", "never"),
        ("{% for m in messages %}", "no valid Jinja"),
        ("{{ messages[0].content.__class__ }}", "unsafe|drops"),
    ],
)
def test_templates_that_lose_something_are_refused(text: str, reason: str | None) -> None:
    if reason is None:
        talk.jinja(talk.byte_level(), text)
        return
    with pytest.raises(VlitError, match=reason):
        talk.jinja(talk.byte_level(), text)


def test_a_last_answer_without_an_end_ends_like_the_others() -> None:
    """Templates whose ends stand between turns alone: the beginning of the next turn is no end."""
    text = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}{% endfor %}"
    _, trained = shown(talk.jinja(talk.byte_level(), text), "What?", "A dog.", "Sure?", "Yes.")
    assert trained == ["A dog.<|endoftext|>", "Yes.<|endoftext|>"]


def test_words_that_no_tokenizer_calls_special_may_be_used() -> None:
    known = copy.deepcopy(talk.byte_level())
    known.add_tokens(["<think>"])
    made = talk.encoder(known, "chatml")
    (found,) = made.examples(talk.sample("What?", "<think>hm"))
    assert known.convert_tokens_to_ids("<think>") in talk.trained(found)[0]


def test_a_template_with_an_end_of_its_own_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.jinja").write_text(
        '{%- set end = "\\n--\\n" -%}{% for m in messages %}'
        '{{ m.content + (end if m.role == "assistant" else " > ") }}'
        "{% endfor %}",
        encoding="utf-8",
    )
    known = talk.byte_level()
    template = Template.of(known, "mine.jinja", base=tmp_path)
    made = Encoder(talk.Talker(known), template, max_length=99)  # type: ignore[arg-type]
    _, trained = shown(made, "What?", "A dog.", "And?", "--")
    assert trained == ["A dog.\n--\n", "--\n--\n"] and "stop string" in made.remarks[0]


def test_what_is_not_there_is_named_with_what_is(tmp_path: Path) -> None:
    known = talk.byte_level()
    with pytest.raises(VlitError, match="did you mean 'vicuna'"):
        Template.of(known, "vicunna")
    with pytest.raises(VlitError, match="no such template file"):
        Template.of(known, "mine.jinja", base=tmp_path)
    with pytest.raises(VlitError, match="no chat template"):
        Template.of(known)
    bare = talk.wrapped(talk.byte_level().backend_tokenizer, eos_token="<|endoftext|>")
    assert Template.of(bare, "chatml").name == "chatml"
    with pytest.raises(VlitError, match=r"lacks: <\|endofchunk\|>"):
        from tests.teacher.tiny import byte_tokenizer

        Template.of(byte_tokenizer(), "flamingo")


def test_every_template_says_what_it_is_and_is_stored_whole() -> None:
    assert {"plain", "vicuna", "llava_v0", "llama2", "chatml", "mistral", "blip2", "flamingo"} < set(names())
    for name in names():
        assert named(name).startswith("{#- " + name + ": ") and "include" not in named(name)


@pytest.mark.parametrize("name", names())
def test_a_stored_template_is_known_again(name: str, tmp_path: Path) -> None:
    known = copy.deepcopy(talk.sentence_piece(True))
    first = talk.encoder(known, name)
    known.chat_template = first.template.text
    known.save_pretrained(tmp_path)
    import transformers

    again = talk.encoder(transformers.AutoTokenizer.from_pretrained(tmp_path), None)
    one, two = (made.examples(talk.sample("What?", "A dog.", "Sure?", "Yes."))[0] for made in (first, again))
    assert one.ids.tolist() == two.ids.tolist() and one.labels.tolist() == two.labels.tolist()


def test_a_tokenizer_that_spaces_every_piece_out_is_refused() -> None:
    core = talk.core()
    made = core.Tokenizer(core.models.WordLevel({"[UNK]": 0, "a": 1, "Hello": 2, ":": 3}, unk_token="[UNK]"))
    made.pre_tokenizer = core.pre_tokenizers.WhitespaceSplit()
    known = talk.wrapped(made, eos_token="</s>", unk_token="[UNK]")
    with pytest.raises(VlitError, match="does not read pieces"):
        talk.encoder(known, "vicuna")
    assert talk.encoder(known, "vicuna", seq2seq=True).examples(talk.sample("Hello", "a"))


def test_a_tokenizer_that_puts_a_space_before_first_words_alone() -> None:
    """Byte-level with a prefix space, as OPT's elder relatives have it."""
    known = copy.deepcopy(talk.byte_level())
    known.backend_tokenizer.pre_tokenizer = talk.core().pre_tokenizers.ByteLevel(add_prefix_space=True)
    made = talk.encoder(known, "chatml")
    assert shown(made, "What?", "A dog.")[1] == ["A dog.<|im_end|>"]
    (found,) = made.examples(talk.sample("What?", "A dog."))
    assert known.convert_ids_to_tokens(talk.trained(found)[0])[0].startswith("A")


def test_images_that_a_processor_puts_first() -> None:
    known = talk.byte_level()
    assert talk.encoder(known, "blip2", name="blip2").remarks == ()
    assert "that puts them first" in talk.encoder(known, "blip2", name="llava").remarks[0]
    assert "take the template blip2" in talk.encoder(known, "dialogue", name="blip2").remarks[0]
    assert talk.encoder(known, "dialogue", name="llava").remarks == ()


def test_an_image_that_the_model_has_no_place_for() -> None:
    made = talk.encoder(talk.byte_level(), "vicuna")
    made.model.slot = lambda image: []  # type: ignore[method-assign]
    with pytest.raises(Refused, match="no placeholder"):
        made.examples(talk.sample("What?", "A dog."))


def test_where_a_server_would_read_otherwise_is_said() -> None:
    turns = "{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}{% else %}"
    fused = talk.jinja(talk.byte_level(), turns + "Q{{ m.content }}{{ eos_token }}{% endif %}{% endfor %}")
    (tokens, prompt) = sorted(fused.remarks, reverse=True)
    assert tokens.startswith("read as one text, the tokens of a dialogue differ: [")
    assert prompt.startswith("asked for an answer, the chat template ends with ")
    assert prompt.endswith("'<image>\\nWhat is it? Is it red?Q'")
    text, trained = shown(fused, "What?", "A red dog.")
    assert trained == ["A red dog.<|endoftext|>"] and "QA red dog." in text
    ending = (
        "A: {{ m.content }}{{ eos_token }}{% endif %}{% endfor %}{% if add_generation_prompt %}A: {% endif %}"
    )
    spaced = talk.jinja(talk.byte_level(), turns + ending)
    (remark,) = spaced.remarks
    assert "with a space at its end" in remark
    known = spaced.model.tokenizer
    assert known.decode(spaced.prompt(talk.sample("What?")).ids.tolist()).endswith("What?A:")


def test_a_template_for_one_question_says_so_of_longer_dialogues() -> None:
    text = (
        "{% if messages | length > 2 %}{{ raise_exception('one question, please') }}{% endif %}"
        "{% for m in messages %}{{ m.role + ': ' + m.content }}{% if m.role == 'assistant' %}{{ eos_token }}"
        "{% endif %}{% endfor %}"
    )
    made = talk.jinja(talk.byte_level(), text)
    assert shown(made, "What?", "A dog.")[1] == ["A dog.<|endoftext|>"]
    with pytest.raises(Refused, match="one question, please"):
        made.examples(talk.sample("What?", "A dog.", "Sure?", "Yes."))


def test_a_tokenizer_without_an_end() -> None:
    core = talk.core()
    import json

    made = core.Tokenizer.from_str(json.dumps(json.loads(talk.byte_level().backend_tokenizer.to_str())))
    known = talk.wrapped(made)
    with pytest.raises(VlitError, match="neither the chat template nor the tokenizer has a token"):
        talk.jinja(known, "{% for m in messages %}{{ m.role + m.content }}{% endfor %}")
    assert talk.encoder(known, "chatml").stops == (known.convert_tokens_to_ids("<|im_end|>"),)


def test_one_of_several_templates_of_a_tokenizer() -> None:
    known = copy.deepcopy(talk.byte_level())
    known.chat_template = {"default": named("chatml"), "tools": "{{ nothing }}"}
    assert Template.of(known).text == named("chatml")
    known.chat_template = {"tools": "{{ nothing }}", "rag": ""}
    with pytest.raises(VlitError, match="cannot be had"):
        Template.of(known)


def test_the_image_token_of_a_model_that_calls_it_otherwise() -> None:
    core = talk.core()
    made = core.Tokenizer.from_str(talk.byte_level().backend_tokenizer.to_str().replace("<image>", "<|pic|>"))
    import transformers

    known = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token="<|endoftext|>", image_token="<|pic|>"
    )
    model = talk.Talker(known)
    model.slot = lambda image: [known.convert_tokens_to_ids("<|pic|>")] * 2  # type: ignore[method-assign, list-item]
    encoder = Encoder(model, Template.of(known, "vicuna"), max_length=99)  # type: ignore[arg-type]
    (found,) = encoder.examples(talk.sample("What is <|pic|>?", "<|pic|>"))
    assert str(known.decode(found.ids.tolist())).startswith("USER: <|pic|><|pic|>\nWhat is <|pic|>?")
    assert int((found.ids == known.convert_tokens_to_ids("<|pic|>")).sum()) == 2 and encoder.remarks == ()

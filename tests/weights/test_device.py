import pytest

from vlit.data.errors import VlitError
from vlit.weights.device import in_batches, load, pick_device, pick_dtype, spent

torch = pytest.importorskip("torch")


def short_of_memory(room, error):
    """Doubles what it is given; batches of more than ``room`` do not fit."""
    sizes = []

    def run(batch):
        sizes.append(len(batch))
        if len(batch) > room:
            raise error
        return [2 * x for x in batch]

    return run, sizes


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_where_memory_runs_out_the_batches_are_halved_and_stay_small(error):
    run, sizes = short_of_memory(3, error)
    assert list(in_batches(range(14), 10, run, "m")) == [2 * x for x in range(14)]
    assert sizes == [10, 5, 2, 2, 2, 2, 2, 2, 2]


def test_one_item_that_does_not_fit_is_an_error_that_says_what_to_do():
    run, sizes = short_of_memory(0, torch.OutOfMemoryError("no"))
    with pytest.raises(VlitError, match="one item at a time") as told:
        list(in_batches([1, 2, 3], 4, run, "big/model"))
    assert sizes == [3, 1]
    assert told.value.where == "big/model"


def test_a_real_allocation_that_fails_counts_as_one():
    with pytest.raises(RuntimeError) as told:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert spent(told.value)


def test_other_errors_pass_through():
    def run(batch):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        list(in_batches([1], 1, run, "m"))
    assert list(in_batches([], 4, run, "m")) == []


def test_devices():
    assert pick_device("cpu").type == "cpu"
    assert pick_device("auto").type in ("cpu", "cuda", "mps")
    assert pick_dtype(torch.device("cpu")) in (torch.bfloat16, torch.float32)
    for name in ("nonsense", "cuda:77", "meta"):
        with pytest.raises(VlitError, match="device"):
            pick_device(name)


def test_a_model_that_is_not_there_is_told_with_what_to_do(tmp_path):
    from transformers import AutoModel

    with pytest.raises(VlitError, match="cannot be loaded") as told:
        load(str(tmp_path), lambda: AutoModel.from_pretrained(tmp_path))
    assert "save_pretrained" in told.value.todo


@pytest.mark.parametrize("name", ["/tmp/there/is/none", "./none", "../none", "~/none", "a/b/none", "/none#cls"])
def test_a_folder_that_is_not_there_is_not_taken_for_a_hub_id(name):
    def how():
        raise OSError("Repo id must be in the form 'repo_name' or 'namespace/repo_name'")

    with pytest.raises(VlitError, match="there is no such folder"):
        load(name, how)
    with pytest.raises(VlitError, match="cannot be loaded: Repo id"):
        load("owner/model", how)


def test_a_file_of_weights_that_ends_too_early_is_told(tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    file = tmp_path / "model.safetensors"
    safetensors.save_file({"a": torch.zeros(100)}, file)
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(VlitError, match="a file of its weights is damaged") as told:
        load(str(tmp_path), lambda: safetensors.load_file(file))
    assert "download" in told.value.todo


def test_an_error_that_only_announces_itself_is_told_whole():
    def how():
        raise ValueError("it lacks one of:\n(1) a tokenizer,\n(2) an internet")

    with pytest.raises(VlitError, match=r"it lacks one of: \(1\) a tokenizer, \(2\) an internet"):
        load("owner/model", how)

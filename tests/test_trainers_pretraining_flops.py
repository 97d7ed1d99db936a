"""Operations are counted as torch counts them in a real forward and backward pass."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from tests import bpe
from trainers.models.build import model_of
from trainers.models.presets import preset
from trainers.pretraining.batches import Batch
from trainers.pretraining.flops import Flops, peak, published
from trainers.pretraining.language_model import MaskedLanguageModel
from trainers.tokens.named import tokenizer
from trainers.tokens.tokenizer import Tokenizer

CPU = torch.device("cpu")
ROWS, LENGTH, MASKED = 3, 64, 20


def tokens_of(name: str) -> Tokenizer:
    kind = preset(name).tokens
    return bpe.by_hand("A C", "T T") if kind == "bpe" else tokenizer(kind, 3)


@pytest.mark.parametrize("name", ["tiny", "logo", "nt_tiny", "dnabert2_tiny", "modern_tiny"])
def test_a_step_takes_what_torch_counts(name: str) -> None:
    model = model_of(name, tokens_of(name))
    ids_BT = torch.randint(5, model.config.vocab_size, (ROWS, LENGTH))
    batch = Batch(ids_BT, torch.arange(MASKED), ids_BT.ravel()[:MASKED], None)
    # the fused kernel for CPUs is one that torch does not count
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        MaskedLanguageModel(model)(batch).backward()
    found = Flops(model).step(tokens=ROWS * LENGTH, squared=ROWS * LENGTH**2, masked=MASKED)
    assert found == pytest.approx(counter.get_total_flops(), rel=1e-3)


def test_the_tiny_model_by_hand() -> None:
    flops = Flops(model_of("tiny", tokens_of("tiny")))  # 2 layers, 64 wide, 256 between, 64 + 5 tokens
    layer = 4 * 64 * 64 + 2 * 64 * 256  # query, key, value, output; feed-forward
    assert flops.step(tokens=1, squared=0, masked=0) == 3 * 2 * 2 * layer
    assert flops.step(tokens=0, squared=1, masked=0) == 3 * 4 * 2 * 64  # scores and their mix, of two layers
    assert flops.step(tokens=0, squared=0, masked=1) == 3 * 2 * (64 * 64 + 64 * 69)


@pytest.mark.parametrize(
    ("name", "bf16", "fp32"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12, 67e12),
        ("NVIDIA H100 PCIe", 756e12, 51e12),
        ("NVIDIA H100 NVL", 835e12, 60e12),
        ("NVIDIA H200", 989e12, 67e12),
        ("NVIDIA A100-SXM4-80GB", 312e12, 19.5e12),
        ("NVIDIA L4", 121e12, 30.3e12),
        ("NVIDIA L40S", 362e12, 91.6e12),
        ("NVIDIA A10G", 70e12, 31.5e12),
        ("Tesla T4", 65e12, 8.1e12),
        ("Tesla V100-SXM2-16GB", 125e12, 15.7e12),
        ("Tesla V100-PCIE-32GB", 112e12, 14e12),
        ("NVIDIA GeForce RTX 3090", 71e12, 35.6e12),
        ("NVIDIA GeForce RTX 4090", 165e12, 82.6e12),
    ],
)
def test_published_peaks_go_by_the_name_that_the_driver_gives(name: str, bf16: float, fp32: float) -> None:
    assert (published(name, "bf16"), published(name, "fp32")) == (bf16, fp32)


@pytest.mark.parametrize(
    "name",
    [
        "NVIDIA L40",
        "NVIDIA T400",
        "NVIDIA A10",
        "NVIDIA GeForce RTX 3090 Ti",
        "NVIDIA GeForce RTX 4090 Laptop GPU",
        "NVIDIA GeForce RTX 4090 D",
        "NVIDIA A100-SXM4-40GB MIG 1g.5gb",
        "NVIDIA GeForce GTX 1080",
    ],
)
def test_a_name_that_only_looks_alike_has_no_published_peak(name: str) -> None:
    assert published(name, "bf16") is None


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_cpu_is_measured_once(precision) -> None:
    found = peak(CPU, precision)
    assert found.source == "measured"
    assert 1e7 < found.flops_per_second < 1e14
    assert peak(CPU, precision) is found


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_does_not_beat_its_published_peak() -> None:
    device = torch.device("cuda", 0)
    found = peak(device, "bf16")
    size = 8192
    matrix = torch.randn(size, size, device=device, dtype=torch.bfloat16)
    matrix @ matrix
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    matrix @ matrix
    end.record()
    end.synchronize()
    assert 0.2 * found.flops_per_second < 2 * size**3 / (start.elapsed_time(end) / 1000) < 1.1 * found.flops_per_second

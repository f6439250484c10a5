"""Train the scorer `tone` on the grammar: `python -m benchmarks.tone.train` writes pipelines/news/tone_model.

Minutes on one core. The last line is JSON: the mean absolute error on other sentences of the grammar, and the largest
difference between the trained model and the ONNX file.
"""

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import nn
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from benchmarks.tone.grammar import Labelled, sample
from pipelines.core.artifacts import write_bytes, write_json
from pipelines.news.tone import LENGTH, MODEL, PADDING, UNKNOWN, encoded, words_of

SENTENCES, CHECKED = 10_000, 1_000
EPOCHS, BATCH = 4, 64
WIDTH, HEADS, BLOCKS = 32, 4, 1
LEAST_COUNT = 3
UNKNOWN_SHARE = 0.08
"""Words that are hidden in training, so that the model learns to read on without them."""

Tensors = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class Reader(nn.Module):
    """Words (n, LENGTH) and valences (n, LENGTH) -> tone (n,)."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.word = nn.Embedding(words, WIDTH, padding_idx=PADDING)
        self.valence = nn.Linear(1, WIDTH)
        self.place = nn.Parameter(0.02 * torch.randn(LENGTH, WIDTH))
        block = nn.TransformerEncoderLayer(WIDTH, HEADS, 2 * WIDTH, 0.1, "gelu", batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(block, BLOCKS, enable_nested_tensor=False)
        self.head = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 32), nn.GELU(), nn.Linear(32, 1))

    def forward(self, words: torch.Tensor, valences: torch.Tensor) -> torch.Tensor:
        """Mean over the words that are there, then the head."""
        hidden = self.word(words) + self.valence(valences.unsqueeze(-1)) + self.place
        there = (words != PADDING).to(hidden.dtype).unsqueeze(-1)
        hidden = self.blocks(hidden, src_key_padding_mask=words == PADDING)
        pooled = (hidden * there).sum(1) / there.sum(1).clamp(min=1.0)
        tone: torch.Tensor = torch.tanh(self.head(pooled).squeeze(-1))
        return tone


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, write, check, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tone.train", description=__doc__)
    parser.add_argument("--out", type=Path, default=MODEL)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--sentences", type=int, default=SENTENCES)
    asked = parser.parse_args(arguments)
    torch.manual_seed(1)
    source = np.random.default_rng(1)
    taught, other = sample(asked.sentences, source), sample(CHECKED, source)
    words, lexicon = vocabulary(taught), SentimentIntensityAnalyzer().lexicon
    model = fit(_tensors(taught, words, lexicon), len(words) + 2, asked.epochs)
    asked.out.mkdir(parents=True, exist_ok=True)
    write_json(asked.out / "words.json", words)
    checked = _tensors(other, words, lexicon)
    difference = export(model, checked, asked.out / "tone.onnx")
    with torch.no_grad():
        error = float((model(checked[0], checked[1]) - checked[2]).abs().mean())
    print(json.dumps({"benchmark": "tone", "grammar_error": round(error, 4), "onnx_difference": difference}))


def vocabulary(taught: Sequence[Labelled]) -> dict[str, int]:
    """Numbers of the words that the grammar uses; its made-up names come too seldom to be among them."""
    counts: Counter[str] = Counter()
    for one in taught:
        counts.update(set(words_of(one.text)))
    kept = sorted(word for word, count in counts.items() if count >= max(LEAST_COUNT, len(taught) // 3_000))
    return {word: number for number, word in enumerate(kept, start=UNKNOWN + 1)}


def _tensors(sentences: Sequence[Labelled], words: dict[str, int], lexicon: dict[str, float]) -> Tensors:
    numbers, valences = encoded([one.text for one in sentences], words, lexicon)
    tones = torch.tensor([one.tone for one in sentences], dtype=torch.float32)
    return torch.from_numpy(numbers), torch.from_numpy(valences), tones


def fit(data: Tensors, words: int, epochs: int) -> Reader:
    """The reader after some passes over the data, AdamW with a cosine."""
    words_, valences, tones = data
    model = Reader(words)
    steps = epochs * -(-len(tones) // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    model.train()
    for _ in range(epochs):
        for part in torch.randperm(len(tones)).split(BATCH):  # type: ignore[no-untyped-call]
            numbers = words_[part]
            hidden = (torch.rand(numbers.shape) < UNKNOWN_SHARE) & (numbers != PADDING)
            said = model(numbers.masked_fill(hidden, UNKNOWN), valences[part])
            loss = nn.functional.smooth_l1_loss(said, tones[part], beta=0.1)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return model.eval()


def export(model: Reader, checked: Tensors, path: Path) -> float:
    """Write the ONNX file, and give the largest difference between it and the model.

    Raises:
        ValueError: if they differ by 1e-4 or more.
    """
    partial = path.with_suffix(".partial.onnx")
    torch.backends.mha.set_fastpath_enabled(False)
    torch.onnx.export(
        model, (checked[0][:8], checked[1][:8]), str(partial), input_names=["words", "valences"],
        output_names=["tone"], dynamic_shapes={"words": {0: "n"}, "valences": {0: "n"}}, dynamo=True,
        external_data=False,
    )  # fmt: skip
    session = onnxruntime.InferenceSession(str(partial), providers=["CPUExecutionProvider"])
    ours = session.run(None, {"words": checked[0].numpy(), "valences": checked[1].numpy()})[0]
    with torch.no_grad():
        difference = float(np.max(np.abs(ours - model(checked[0], checked[1]).numpy())))
    if not difference < 1e-4:
        raise ValueError(f"the ONNX file differs from the trained model by {difference:.2e}")
    write_bytes(path, partial.read_bytes())
    partial.unlink()
    return difference


if __name__ == "__main__":
    main()

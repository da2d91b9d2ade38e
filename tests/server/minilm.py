"""all-MiniLM-L6-v2 in float32, by numpy: the weights as they were published, and what BERT does with them.

The model (six layers, 384 wide, mean pooling, length 1) is small enough that a deep-learning framework would only make
its start slower and its download fifty times larger.
"""

import json
import math
import struct
from pathlib import Path

import numpy
from tokenizers import Tokenizer

# Texts are cut after as many tokens, the two special ones included, as the model's card says.
MAX_TOKENS = 256


class MiniLm:
    """The model of a folder with `model.safetensors`, `tokenizer.json` and `config.json`."""

    def __init__(self, folder: Path):
        config = json.loads((folder / "config.json").read_text())
        self.layers = config["num_hidden_layers"]
        self.heads = config["num_attention_heads"]
        self.epsilon = numpy.float32(config["layer_norm_eps"])
        self.dimensions = config["hidden_size"]
        self.weights = read_safetensors(folder / "model.safetensors")
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(MAX_TOKENS)

    def embed(self, texts: list[str]) -> tuple[numpy.ndarray, int]:
        """Vectors, float32 [texts, dimensions] of length 1, and the number of tokens read."""
        encodings = self.tokenizer.encode_batch(texts)
        vectors = numpy.empty((len(texts), self.dimensions), numpy.float32)
        # Texts of one length run together: nothing is padded, so a vector hardly depends on its neighbours.
        by_length: dict[int, list[int]] = {}
        for row, encoding in enumerate(encodings):
            by_length.setdefault(len(encoding.ids), []).append(row)
        for rows in by_length.values():
            for begin in range(0, len(rows), 32):
                some = rows[begin : begin + 32]
                vectors[some] = self._forward(numpy.array([encodings[row].ids for row in some]))
        return vectors, sum(len(encoding.ids) for encoding in encodings)

    def _forward(self, ids: numpy.ndarray) -> numpy.ndarray:
        weights = self.weights
        hidden = (
            weights["embeddings.word_embeddings.weight"][ids]
            + weights["embeddings.position_embeddings.weight"][: ids.shape[1]]
            + weights["embeddings.token_type_embeddings.weight"][0]
        )
        hidden = self._normalise(hidden, "embeddings.LayerNorm")
        for layer in range(self.layers):
            name = f"encoder.layer.{layer}"
            attended = self._dense(self._attend(hidden, f"{name}.attention.self"), f"{name}.attention.output.dense")
            hidden = self._normalise(hidden + attended, f"{name}.attention.output.LayerNorm")
            widened = gelu(self._dense(hidden, f"{name}.intermediate.dense"))
            hidden = self._normalise(hidden + self._dense(widened, f"{name}.output.dense"), f"{name}.output.LayerNorm")
        pooled = hidden.mean(axis=1)
        return pooled / numpy.linalg.norm(pooled, axis=1, keepdims=True)

    def _attend(self, hidden: numpy.ndarray, name: str) -> numpy.ndarray:
        texts, tokens, width = hidden.shape

        def split(part: str) -> numpy.ndarray:
            heads = self._dense(hidden, f"{name}.{part}").reshape(texts, tokens, self.heads, width // self.heads)
            return heads.transpose(0, 2, 1, 3)

        scores = split("query") @ split("key").transpose(0, 1, 3, 2) / numpy.float32(math.sqrt(width // self.heads))
        scores = numpy.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed = (scores / scores.sum(axis=-1, keepdims=True)) @ split("value")
        return mixed.transpose(0, 2, 1, 3).reshape(texts, tokens, width)

    def _dense(self, x: numpy.ndarray, name: str) -> numpy.ndarray:
        return x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def _normalise(self, x: numpy.ndarray, name: str) -> numpy.ndarray:
        centred = x - x.mean(axis=-1, keepdims=True)
        deviation = numpy.sqrt((centred * centred).mean(axis=-1, keepdims=True) + self.epsilon)
        return centred / deviation * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]


def gelu(x: numpy.ndarray) -> numpy.ndarray:
    """x Φ(x), where erf is Abramowitz and Stegun's 7.1.26 (wrong by 1.5e-7 at most, what float32 resolves)."""
    z = numpy.abs(x) * numpy.float32(math.sqrt(0.5))
    t = 1 / (1 + numpy.float32(0.3275911) * z)
    tail = numpy.float32(1.061405429)
    for coefficient in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        tail = tail * t + numpy.float32(coefficient)
    tail *= t * numpy.exp(-z * z)
    return numpy.float32(0.5) * x * (1 + numpy.copysign(1 - tail, x))


def read_safetensors(file: Path) -> dict[str, numpy.ndarray]:
    """The float32 tensors of a safetensors file, mapped, not read."""
    data = numpy.memmap(file, numpy.uint8, "r")
    (header_bytes,) = struct.unpack("<Q", data[:8].tobytes())
    header = json.loads(data[8 : 8 + header_bytes].tobytes())
    tensors = {}
    for name, tensor in header.items():
        if tensor.get("dtype") == "F32":
            begin, end = (8 + header_bytes + offset for offset in tensor["data_offsets"])
            tensors[name] = data[begin:end].view("<f4").reshape(tensor["shape"])
    return tensors

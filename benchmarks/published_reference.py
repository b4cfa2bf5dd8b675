"""Numbers of the authors' own code for published models, with seeded random weights.

    python -m benchmarks.published_reference FOLDER [--full] [--only NAME] [--python NAME=PATH]

Installs their packages in environments of their own (pinned here, in `msclap_program` and in
`conette_program`), has them write models with random weights as they save them, and beside each
what it makes of some sounds and texts. `make parity PARITY=FOLDER` compares. Nothing is fetched
from a hub of models. Programs: `encoders` (LAION's CLAP, BERT, CNN14), `msclap`, and `conette`,
which runs on Python 3.10 alone: it is looked for as python3.10, or given by --python-3.10 PATH.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.conette_program import CONETTE_PACKAGES, CONETTE_PROGRAM
from benchmarks.msclap_program import MSCLAP_PACKAGES, MSCLAP_PROGRAM

PACKAGES = (
    "torch==2.11.*",
    "numpy<3",
    "safetensors==0.8.*",
    "transformers==5.24.*",
    "panns-inference==0.1.1",
    "torchlibrosa==0.1.0",
    "librosa==0.11.*",
)

# Run by the other environment's Python: this package is not there, nor are its libraries here.
INSIDE = '''
import json, sys
from pathlib import Path

import numpy as np
import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import (
    BertConfig, BertModel, BertTokenizer, ClapAudioConfig, ClapConfig, ClapFeatureExtractor,
    ClapModel, ClapTextConfig, RobertaTokenizer
)

out, full = Path(sys.argv[1]), sys.argv[2] == "full"
TEXTS = [
    "a dog barks and then a bell rings",
    "A man's voice doesn't stop, 12 times!",
    "Caf\\u00e9 noise \\u2014 chatter; dishes \\u0111\\u01b0\\u1ee3c \\U0001f3b5",
    "rain",
    "  two   spaces  and\\ttab ",
    "footsteps on gravel while birds sing in the distance and a car passes by slowly",
]
rng = np.random.default_rng(0)

def sounds(rate, longest):
    lengths = {"whole": longest, "short": int(0.37 * longest), "tiny": int(0.011 * longest)}
    found = {}
    for name, n in lengths.items():
        t = np.arange(n) / rate
        tone = 0.3 * np.sin(2 * np.pi * (200 + 900 * t) * t)
        found[name] = (tone + 0.05 * rng.standard_normal(n)).astype(np.float32)
    return found

def lively(model):
    """Random statistics and gains, so that no norm is the identity and nothing vanishes."""
    generator = torch.Generator().manual_seed(1)
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.copy_(torch.randn(module.running_mean.shape, generator=generator))
            module.running_var.copy_(
                0.5 + torch.rand(module.running_var.shape, generator=generator))
        if isinstance(module, (torch.nn.BatchNorm2d, torch.nn.LayerNorm)):
            with torch.no_grad():
                module.weight.add_(0.2 * torch.randn(module.weight.shape, generator=generator))
                module.bias.add_(0.2 * torch.randn(module.bias.shape, generator=generator))
    return model.eval()

def train_tokens(folder, size):
    # Of captions, since the published table is on a hub: what is compared is how it is read.
    bpe = ByteLevelBPETokenizer()
    words = [w for w in TEXTS for _ in range(20)]
    bpe.train_from_iterator(words, vocab_size=size, min_frequency=1, show_progress=False,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    folder.mkdir(parents=True, exist_ok=True)
    bpe.save_model(str(folder))
    table = json.loads((folder / "vocab.json").read_text())
    lines = (folder / "merges.txt").read_text().splitlines()[1:]
    merges = [tuple(line.split(" ")) for line in lines]
    return RobertaTokenizer(vocab=table, merges=merges), len(table)

def clap(name, *, fusion, truncation, seed, audio, text):
    folder = out / name
    torch.manual_seed(seed)
    tokenizer, n_tokens = train_tokens(folder, 420)
    seconds = 10 if full else 1
    text = {**text, "vocab_size": max(n_tokens, text.get("vocab_size", 0))}
    config = ClapConfig(
        text_config=ClapTextConfig(**text).to_dict(),
        audio_config=ClapAudioConfig(enable_fusion=fusion, **audio).to_dict(),
        projection_dim=text["projection_dim"],
    )
    model = lively(ClapModel(config))
    with torch.no_grad():
        model.audio_model.audio_encoder.batch_norm.running_mean.fill_(-40.0)
        model.audio_model.audio_encoder.batch_norm.running_var.fill_(400.0)
    extractor = ClapFeatureExtractor(
        feature_size=model.config.audio_config.num_mel_bins, max_length_s=seconds,
        frequency_min=50, frequency_max=14000, truncation=truncation, padding="repeatpad")
    model.save_pretrained(folder)
    extractor.save_pretrained(folder)
    if seed % 2:
        tokenizer.save_pretrained(folder)  # as tokenizer.json
    arrays = {}
    for key, sound in sounds(48000, 48000 * seconds).items():
        inputs = extractor([sound], sampling_rate=48000, return_tensors="pt")
        inputs["is_longer"] = torch.zeros_like(torch.as_tensor(inputs["is_longer"]))
        features = inputs["input_features"].float()
        with torch.no_grad():
            heard = model.audio_model(features, is_longer=inputs["is_longer"])
            joint = model.get_audio_features(features, is_longer=inputs["is_longer"])
        arrays[f"sound.{key}"] = sound
        arrays[f"mel.{key}"] = features[0, 0].numpy()
        arrays[f"pooled.{key}"] = heard.pooler_output[0].numpy()
        arrays[f"joint.{key}"] = joint.pooler_output[0].numpy()
    for place, words in enumerate(TEXTS):
        ids = tokenizer([words], return_tensors="pt")
        with torch.no_grad():
            joint = model.get_text_features(**ids)
        arrays[f"ids.{place}"] = ids["input_ids"][0].numpy()
        arrays[f"text.{place}"] = joint.pooler_output[0].numpy()
    np.savez_compressed(folder / "reference.npz", **arrays)
    (folder / "texts.json").write_text(json.dumps(TEXTS))
    print(name, sum(p.numel() for p in model.parameters()))

small_text = {"hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 2,
              "intermediate_size": 48, "projection_dim": 16, "max_position_embeddings": 80}
small_audio = {"num_mel_bins": 16, "spec_size": 64, "window_size": 4,
               "patch_embeds_hidden_size": 16, "depths": [2, 2, 2],
               "num_attention_heads": [2, 4, 4], "hidden_size": 64,
               "projection_dim": 16}
large_text = {"projection_dim": 512, "vocab_size": 50265}
cut, fused = {"fusion": False, "truncation": "rand_trunc"}, {"fusion": True, "truncation": "fusion"}
if full:
    clap("clap_unfused", **cut, seed=1, audio={}, text=large_text)
    clap("clap_fused", **fused, seed=2, audio={}, text=large_text)
    larger = {"patch_embeds_hidden_size": 128, "depths": [2, 2, 12, 2], "hidden_size": 1024}
    clap("clap_larger", **cut, seed=3, audio=larger, text=large_text)
else:
    # 101 frames of 16 bands are stretched to 256, as 1001 of 64 bands are to 1024.
    clap("clap_unfused", **cut, seed=1, audio=small_audio, text=small_text)
    clap("clap_fused", **fused, seed=2, audio=small_audio, text=small_text)

# BERT as the text encoder of Sun et al. 2023: what its last layer makes of the first token.
folder = out / "bert"
folder.mkdir(parents=True, exist_ok=True)
letters = [chr(n) for n in range(33, 127) if not chr(n).isupper()]
words = sorted({w for text in TEXTS for w in "".join(
    c if c.isalpha() and c.isascii() else " " for c in text.lower()).split() if len(w) > 1})
unused = [f"[unused{n}]" for n in range(99)]
pieces = ["[PAD]", *unused, "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters,
          *(f"##{letter}" for letter in letters), *words]
if full:
    pieces += [f"filler{n}" for n in range(30522 - len(pieces))]
(folder / "vocab.txt").write_text("\\n".join(pieces) + "\\n")
torch.manual_seed(6)
sizes = {} if full else {"hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
                         "intermediate_size": 64, "max_position_embeddings": 64}
model = lively(BertModel(BertConfig(vocab_size=len(pieces), **sizes)))
model.save_pretrained(folder)
table = {piece: n for n, piece in enumerate(pieces)}
reader = BertTokenizer(vocab=table, do_lower_case=True)
arrays = {}
for place, text in enumerate(TEXTS):
    ids = reader([text], return_tensors="pt")
    with torch.no_grad():
        heard = model(**ids).last_hidden_state
    arrays[f"ids.{place}"] = ids["input_ids"][0].numpy()
    arrays[f"text.{place}"] = heard[0, 0].numpy()
np.savez_compressed(folder / "reference.npz", **arrays)
(folder / "texts.json").write_text(json.dumps(TEXTS))
print("bert", sum(p.numel() for p in model.parameters()))

import os
import panns_inference.models as panns

torch.manual_seed(5)
network = panns.Cnn14(sample_rate=32000, window_size=1024, hop_size=320, mel_bins=64, fmin=50,
                      fmax=14000, classes_num=527)
network = lively(network)
with torch.no_grad():
    network.bn0.running_mean.fill_(-40.0)
    network.bn0.running_var.fill_(400.0)
folder = out / "cnn14"
folder.mkdir(parents=True, exist_ok=True)
torch.save({"iteration": 7, "model": network.state_dict()}, folder / "Cnn14_mAP=0.431.pth",
           _use_new_zipfile_serialization=False)  # the form that the published file has
arrays = {}
for key, sound in sounds(32000, 320000).items():
    if len(sound) < 10240:
        sound = np.pad(sound, (0, 10240 - len(sound)))
    with torch.no_grad():
        heard = network(torch.from_numpy(sound)[None])
    arrays[f"sound.{key}"] = sound
    arrays[f"embedding.{key}"] = heard["embedding"][0].numpy()
    arrays[f"tags.{key}"] = heard["clipwise_output"][0].numpy()
np.savez_compressed(folder / "reference.npz", **arrays)
print("cnn14", sum(p.numel() for p in network.parameters()))
'''


PROGRAMS = {
    "encoders": (PACKAGES, INSIDE),
    "msclap": (MSCLAP_PACKAGES, MSCLAP_PROGRAM),
    "conette": (CONETTE_PACKAGES, CONETTE_PROGRAM),
}


def main() -> None:
    """Make the environments, unless some are given, and the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--full", action="store_true", help="in the published sizes: 5 GB")
    parser.add_argument("--only", choices=PROGRAMS, help="one of the programs")
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="the Python of an environment that holds the packages of a program",
    )
    parser.add_argument("--python-3.10", dest="old", default="python3.10", help="for conette")
    given = parser.parse_args()
    folder: Path = given.folder / "published"
    pythons = {name: path for name, _, path in (each.partition("=") for each in given.python)}
    if not all(name in PROGRAMS and path for name, path in pythons.items()):
        parser.error(f"--python is NAME=PATH, where NAME is one of {', '.join(PROGRAMS)}")
    for name in [given.only] if given.only else PROGRAMS:
        packages, program = PROGRAMS[name]
        with tempfile.TemporaryDirectory() as scratch:
            base = given.old if name == "conette" else sys.executable
            python = Path(pythons.get(name) or _made(Path(scratch), packages, base=base))
            script = Path(scratch) / "inside.py"
            script.write_text(program, encoding="utf-8")
            size = "full" if given.full else "small"
            subprocess.run([python, script, folder.absolute(), size], check=True)
    print(folder)


def _made(folder: Path, packages: tuple[str, ...], *, base: str) -> Path:
    """The Python of a fresh environment of the Python `base` with packages."""
    subprocess.run([base, "-m", "venv", folder], check=True)
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
    return python


if __name__ == "__main__":
    main()

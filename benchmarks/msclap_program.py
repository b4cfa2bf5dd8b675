"""What `published_reference` has msclap's own environment run: Microsoft's CLAP of 2023.

The file is written as the published one is told to be by its hub: floats alone (no counters, no
tables of places), and with the causal masks that an older transformers kept in GPT-2.
"""

from __future__ import annotations

MSCLAP_PACKAGES = ("torch==2.11.*", "torchaudio==2.11.*", "msclap==1.3.4", "transformers==4.57.*")

# Run by the other environment's Python: this package is not there, nor are its libraries here.
MSCLAP_PROGRAM = """
import json, os, re, sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import AutoTokenizer, GPT2Config, GPT2Model, GPT2TokenizerFast
from msclap import CLAP as Wrapper
from msclap.models import config as htsat_config
from msclap.models.clap import CLAP
from msclap.models.htsat import HTSAT_Swin_Transformer

out, full = Path(sys.argv[1]) / "msclap", sys.argv[2] == "full"
TEXTS = [
    "a dog barks and then a bell rings",
    "A man's voice doesn't stop, 12 times!",
    "stop! he shouts !! and runs",
    "Caf\\u00e9 noise \\u2014 chatter; dishes \\u0111\\u01b0\\u1ee3c \\U0001f3b5",
    "rain",
    "  two   spaces  and\\ttab ",
    "footsteps on gravel while birds sing in the distance and a car passes by slowly",
    "an end <|endoftext|> and more",
    "rain falls on a tin roof " * 20,
]
out.mkdir(parents=True, exist_ok=True)
os.chdir(out)  # where "gpt2" is the folder below, not the one on a hub
torch.manual_seed(4)
# Tokens of captions, since the published table is on a hub: what is compared is how it is read.
words = [w for w in TEXTS for _ in range(20)]
bpe = ByteLevelBPETokenizer()
bpe.train_from_iterator(words, vocab_size=420, min_frequency=1, show_progress=False)
Path("gpt2").mkdir(exist_ok=True)
bpe.save_model("gpt2")
table = json.loads(Path("gpt2/vocab.json").read_text())
# As published "!" is token 0, and the end the last.
assert table["!"] == 0, table["!"]
if full:
    table |= {f"filler{n}": n for n in range(len(table), 50256)}
table["<|endoftext|>"] = len(table)
Path("gpt2/vocab.json").write_text(json.dumps(table))
tokenizer = GPT2TokenizerFast("gpt2/vocab.json", "gpt2/merges.txt")
tokenizer.save_pretrained("gpt2")
sizes = {} if full else {"n_embd": 64, "n_layer": 2, "n_head": 4}
reader = GPT2Model(GPT2Config(vocab_size=len(table), **sizes))
reader.save_pretrained("gpt2")
clap = CLAP("HTSAT", 44100, 1024, 320, 64, 50, 8000, 527, 768 if full else 32,
            "gpt2", 768 if full else 64, 1024 if full else 24)
if not full:
    clap.audio_encoder.base.htsat = HTSAT_Swin_Transformer(
        embed_dim=4, depths=[1, 2, 1, 2], num_heads=[1, 2, 2, 4], config=htsat_config)
generator = torch.Generator().manual_seed(1)
with torch.no_grad():
    for module in clap.modules():
        if isinstance(module, (torch.nn.BatchNorm2d, torch.nn.LayerNorm)):
            module.weight.add_(0.2 * torch.randn(module.weight.shape, generator=generator))
            module.bias.add_(0.2 * torch.randn(module.bias.shape, generator=generator))
    bands = clap.audio_encoder.base.htsat.bn0
    bands.running_mean.fill_(-40.0)
    bands.running_var.fill_(400.0)
# As the published file: no whole numbers, and the causal masks of an older transformers.
state = {k: v for k, v in clap.state_dict().items() if v.is_floating_point()}
for n in range(reader.config.n_layer):
    state[f"caption_encoder.base.h.{n}.attn.bias"] = torch.ones(1024, 1024).tril()[None, None]
torch.save({"model": state}, "CLAP_weights_2023.pth")
if full:
    wrapper = Wrapper("CLAP_weights_2023.pth", version="2023")
else:  # the same, but for the sizes that stand in the package
    wrapper = object.__new__(Wrapper)
    wrapper.clap, wrapper.use_cuda = clap.eval(), False
    wrapper.token_keys = ["input_ids", "attention_mask"]
    wrapper.np_str_obj_array_pattern = re.compile("[SaUO]")
    wrapper.tokenizer = AutoTokenizer.from_pretrained("gpt2")
    wrapper.tokenizer.add_special_tokens({"pad_token": "!"})
    wrapper.args = Namespace(duration=7, sampling_rate=44100, text_model="gpt2", text_len=77)
# Their reader of files is passed by: samples are given, at their rate.
wrapper.read_audio = lambda path, resample=True: (torch.from_numpy(path)[None], 44100)
rng = np.random.default_rng(0)
arrays = {}
longest = 7 * 44100
lengths = {"whole": longest, "short": int(0.37 * longest), "tiny": int(0.011 * longest)}
for key, n in lengths.items():
    t = np.arange(n) / 44100
    tone = 0.3 * np.sin(2 * np.pi * (200 + 900 * t) * t)
    sound = (tone + 0.05 * rng.standard_normal(n)).astype(np.float32)
    joint = wrapper.get_audio_embeddings([sound])
    prepared = wrapper.preprocess_audio([sound], True).reshape(1, -1)
    with torch.no_grad():
        pooled = wrapper.clap.audio_encoder.base(prepared)["embedding"]
    arrays[f"sound.{key}"] = sound
    arrays[f"pooled.{key}"] = pooled[0].numpy()
    arrays[f"joint.{key}"] = (joint / joint.norm(dim=-1, keepdim=True))[0].numpy()
for place, text in enumerate(TEXTS):
    tokens = wrapper.preprocess_text([text])
    joint = wrapper.get_text_embeddings([text])
    mask = tokens["attention_mask"][0].bool()
    arrays[f"ids.{place}"] = tokens["input_ids"][0][mask].numpy()
    arrays[f"text.{place}"] = (joint / joint.norm(dim=-1, keepdim=True))[0].numpy()
np.savez_compressed("reference.npz", **arrays)
Path("texts.json").write_text(json.dumps(TEXTS))
print("msclap", sum(p.numel() for p in clap.parameters()))
"""

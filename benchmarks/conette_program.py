"""What `published_reference` has conette's own environment (Python 3.10) run.

One model with random weights in the six forms in which its code and Lightning save it, and the
losses that its own code gives for captions and sounds. What it would fetch (a spaCy model, of which
only the rules for words are used, stop words, names of tags) is given in its place.
"""

from __future__ import annotations

from audiosearch.training.text.vocabulary import STOP_WORDS

CONETTE_PACKAGES = ("conette==0.4.0",)

# Run by the other environment's Python: this package is not there, nor are its libraries here.
CONETTE_PROGRAM = (
    f"STOP_WORDS = {sorted(STOP_WORDS)!r}\n"
    + '''
import json, logging, shutil, sys
from pathlib import Path

import numpy as np
import spacy
import torch
import pytorch_lightning
from safetensors.torch import save_file

spacy.load = lambda name, **options: spacy.blank("en")
from nltk.corpus import stopwords
stopwords.words = lambda language: STOP_WORDS
import conette.huggingface.model as hub
hub.load_audioset_idx_to_name = lambda **options: {n: str(n) for n in range(527)}
from conette.huggingface.config import CoNeTTEConfig
from conette.pl_modules.baseline import BaselinePLM
from conette.tokenization.aac_tokenizer import AACTokenizer

logging.disable(logging.WARNING)
out, full = Path(sys.argv[1]) / "conette", sys.argv[2] == "full"
CAPTIONS = [
    "a man speaks and then a dog barks",
    "rain falls on a tin roof",
    "birds are singing while a car passes by",
    "a man's dog doesn't bark",
]
sizes = {} if full else {"d_model": 32, "num_decoder_layers": 2, "nhead": 4, "dim_feedforward": 48}
torch.manual_seed(8)
tokenizer = AACTokenizer()
words = [f"filler{n}" for n in range(4300)] if full else []
tokenizer.fit(CAPTIONS + words)
config = CoNeTTEConfig(tokenizer_state=tokenizer.get_txt_state(), **sizes)
model = hub.CoNeTTEModel(config, device="cpu", offline=True)

def lively(network):
    generator = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for name, value in network.named_parameters():
            if "_extractor." in name:
                continue  # the front-end, which is no weight
            if name.endswith(("gamma", "scale_layer")):
                value.fill_(0.5)
            elif value.ndim >= 2:
                torch.nn.init.kaiming_normal_(value, nonlinearity="linear")
            else:
                value.add_(0.1 * torch.randn(value.shape, generator=generator))

lively(model)
encoder = model.preprocessor.encoder
encoder.bn0.running_mean.fill_(-40.0)
encoder.bn0.running_var.fill_(400.0)
again = AACTokenizer()
again.fit(CAPTIONS + words)
baseline = BaselinePLM(train_tokenizer=again, **sizes).eval()
lively(baseline)

def connected(module, path):
    """Written as Lightning writes it."""
    trainer = pytorch_lightning.Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    trainer.strategy.connect(module)
    trainer.save_checkpoint(path)

def folder(name):
    path = out / name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path

state = model.state_dict()
model.config.tokenizer_state = None  # it is in the weights, as in the published folder
model.save_pretrained(folder("folder"))
model.save_pretrained(folder("folder_safetensors"), safe_serialization=True)
bare = {name: value for name, value in state.items() if name != "_extra_state_"}
model.config.tokenizer_state = model.model.tokenizer.get_txt_state()
model.config.save_pretrained(folder("tokenizer_in_config"))
torch.save(bare, out / "tokenizer_in_config" / "pytorch_model.bin")
model.config.tokenizer_state = None
model.config.save_pretrained(folder("old_form"))
torch.save(state, out / "old_form" / "pytorch_model.bin", _use_new_zipfile_serialization=False)
torch.save({"model": encoder.state_dict()}, folder("lightning") / "convnext.pth")
connected(model.model, out / "lightning" / "conette.ckpt")
packed = {name: value.contiguous() for name, value in encoder.state_dict().items()}
save_file(packed, folder("baseline") / "convnext.safetensors")
connected(baseline, out / "baseline" / "cnext_trans.ckpt")

rng = np.random.default_rng(0)
arrays = {}
losses = {"conette": [], "baseline": []}
for place, n in enumerate((320_000, 118_400)):
    t = np.arange(n) / 32000
    tone = 0.3 * np.sin(2 * np.pi * (200 + 900 * t) * t)
    sound = (tone + 0.05 * rng.standard_normal(n)).astype(np.float32)
    arrays[f"sound.{place}"] = sound
    batch = model.preprocessor(torch.from_numpy(sound)[None])
    arrays[f"tags.{place}"] = batch["clip_probs"][0].numpy()
    for name, module in (("conette", model.model), ("baseline", baseline)):
        start = module.task_id_to_token_id[0] if name == "conette" else module.bos_id
        row = []
        for caption in CAPTIONS:
            with torch.no_grad():
                ids = module.tokenizer.encode_batch([caption], add_bos_eos=True)
                ids = torch.as_tensor(ids)
                if not len(row) and not place:
                    arrays[f"ids.{name}"] = ids[0].numpy()
                ids[:, 0] = start
                heard = module.encode_audio(batch["audio"], batch["audio_shape"])
                logits = module.decode_audio(heard, "forcing", caps_in=ids[:, :-1])
                row.append(float(module.val_criterion(logits, ids[:, 1:])))
        losses[name].append(row)
arrays |= {f"losses.{name}": np.array(rows, np.float32) for name, rows in losses.items()}
np.savez_compressed(out / "reference.npz", **arrays)
(out / "captions.json").write_text(json.dumps(CAPTIONS))
print("conette", sum(p.numel() for p in model.parameters()), losses["conette"][0])
'''
)

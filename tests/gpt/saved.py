"""A small model after two AdamW steps, and its checkpoint."""

import torch

from harness.gpt.checkpoint import Checkpoint
from harness.gpt.model import GPT
from harness.gpt.seed import set_seed
from harness.gpt.training_file import TrainingSnapshot
from harness.gpt.weights import CorpusHead
from harness.text.corpora import open_corpus
from harness.text.sources import Source


def make_checkpoint(seed: int = 0, fingerprint: str = "v1-0123") -> Checkpoint:
    set_seed(seed)
    model = GPT(vocab_size=4, embed_dim=4, num_heads=2, num_layers=1, max_seq_len=8, dropout=0.1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    batches = torch.Generator().manual_seed(42)
    for _ in range(2):
        ids = torch.randint(0, 4, (2, 5), generator=batches)
        optimizer.zero_grad()
        model(ids, ids)[1].backward()
        optimizer.step()
    corpus = open_corpus(Source("text", "I love AI !"), "words", 64, None, write=False)
    return Checkpoint(
        model=model,
        tokenizer=corpus.info.tokenizer,
        corpus=CorpusHead.of(corpus, seq_len=8),
        training=TrainingSnapshot.take(2, optimizer, batches, torch.device("cpu")),
        fingerprint=fingerprint,
    )

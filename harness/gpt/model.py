"""The GPT that everything here trains: a small decoder-only transformer in GPT-2's style.

Token and position embeddings are added; pre-LayerNorm blocks of causal self-attention and an MLP
follow (Radford et al. 2019); the head is the token embedding again (Press & Wolf 2017). Against
GPT-2: the attention's projections have no biases, and initialisation is torch's own.

Guarantees: a seed set right before the model is built decides every weight, since the modules
draw in a fixed order (token embedding, position embedding, then each block's attention before its
MLP); with `dropout` 0 the forward pass draws nothing; section 14.5's five losses come out to
the last printed digit.

Shapes: B sequences, T tokens, C channels, H heads, V symbols.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from harness.spec.run_config import ModelConfig


class Attention(nn.Module):
    """Causal self-attention with H heads (Vaswani et al. 2017, section 3.2), without biases."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.dropout = config.dropout
        # One product for query, key and value draws the same numbers as three one after another.
        self.qkv = nn.Linear(config.embed_dim, 3 * config.embed_dim, bias=False)
        self.out = nn.Linear(config.embed_dim, config.embed_dim, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, C) to (B, T, C); position t sees positions up to t."""
        B, T, C = x.shape
        qkv = self.qkv(x).view(B, T, 3, self.num_heads, C // self.num_heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B, H, T, C / H)
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=dropout)
        joined: torch.Tensor = self.out(mixed.transpose(1, 2).reshape(B, T, C))
        return joined


class MLP(nn.Module):
    """Two layers with a hidden width of 4C and the exact GELU between."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.expand = nn.Linear(config.embed_dim, 4 * config.embed_dim)
        self.contract = nn.Linear(4 * config.embed_dim, config.embed_dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, C) to (B, T, C), each position by itself."""
        out: torch.Tensor = self.contract(F.gelu(self.expand(x)))
        return out


class Block(nn.Module):
    """One pre-LayerNorm block: attention, then the MLP, each added to the residual stream."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.embed_dim)
        self.attention = Attention(config)
        self.norm2 = nn.LayerNorm(config.embed_dim)
        self.mlp = MLP(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, C) to (B, T, C)."""
        x = x + self.dropout(self.attention(self.norm1(x)))
        out: torch.Tensor = x + self.dropout(self.mlp(self.norm2(x)))
        return out


class GPT(nn.Module):
    """A GPT of `num_layers` blocks over a vocabulary of `vocab_size` symbols.

    `dropout` acts where GPT-2 has it: after the embeddings are added, on the attention weights,
    and on what each block's attention and MLP add to the residual stream.

    Raises ValueError (pydantic's) for sizes that `ModelConfig` refuses, such as an `embed_dim`
    that `num_heads` does not divide.

    >>> model = GPT(vocab_size=4, embed_dim=8, num_heads=2, num_layers=2, max_seq_len=64)
    >>> model.num_parameters()
    2240
    """

    def __init__(
        self,
        vocab_size: int,
        embed_dim: int,
        num_heads: int,
        num_layers: int,
        max_seq_len: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.config = ModelConfig(
            vocab_size=vocab_size,
            embed_dim=embed_dim,
            num_heads=num_heads,
            num_layers=num_layers,
            max_seq_len=max_seq_len,
            dropout=dropout,
        )
        self.token_embedding = nn.Embedding(vocab_size, embed_dim)
        self.position_embedding = nn.Embedding(max_seq_len, embed_dim)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Block(self.config) for _ in range(num_layers))
        self.norm = nn.LayerNorm(embed_dim)

    @classmethod
    def from_config(cls, config: ModelConfig) -> GPT:
        """The model of a config whose `vocab_size` is filled in."""
        assert config.vocab_size is not None
        return cls(**config.model_dump())

    def forward(
        self, ids: torch.Tensor, targets: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Logits for the token after each position and, given targets, their mean loss.

        Args:
            ids: (B, T) long.
            targets: (B, T) long, or None.

        Returns:
            logits: (B, T, V); loss: the mean cross-entropy over B * T in nats, or None.

        Raises:
            ValueError: T is more than `max_seq_len`.
        """
        _, T = ids.shape
        if self.config.max_seq_len < T:
            raise ValueError(f"input of {T} tokens; max_seq_len is {self.config.max_seq_len}")
        positions = torch.arange(T, device=ids.device)
        x = self.dropout(self.token_embedding(ids) + self.position_embedding(positions))
        for block in self.blocks:
            x = block(x)  # (B, T, C)
        logits = F.linear(self.norm(x), self.token_embedding.weight)  # (B, T, V)
        if targets is None:
            return logits, None
        return logits, F.cross_entropy(logits.flatten(0, 1), targets.flatten())

    def num_parameters(self) -> int:
        """The number of weights; the head shares the token embedding's and counts once."""
        return sum(parameter.numel() for parameter in self.parameters())

"""`harness generate RUN --prompt TEXT`: text from a trained model."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.errors import reporting
from harness.cli.options import Run, TrackingUri
from harness.errors import UsageError


def generate(
    run: Run,
    prompt: Annotated[str, typer.Option("--prompt", help="The text to go on from.")],
    max_new_tokens: Annotated[
        int, typer.Option("--max-new-tokens", min=0, help="Tokens to add.")
    ] = 50,
    temperature: Annotated[
        float, typer.Option("--temperature", help="Divides the logits; greater than 0.")
    ] = 1.0,
    top_k: Annotated[
        int | None, typer.Option("--top-k", min=1, help="Draw among the k likeliest only.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", min=0, max=2**63 - 1, help="Set right before the first step."),
    ] = None,
    tracking_uri: TrackingUri = None,
) -> None:
    """Print the prompt and its continuation, and nothing else."""
    with reporting():
        if not 0 < temperature < float("inf"):
            raise UsageError(f"--temperature must be greater than 0 and finite, got {temperature}")
        import torch

        from harness.gpt.generate import generate as sample
        from harness.gpt.seed import set_seed
        from harness.runs import open_checkpoint

        loaded = open_checkpoint(run, tracking_uri)
        ids = loaded.tokenizer.encode(prompt)
        if not ids:
            raise UsageError("--prompt holds no token; give at least one")
        if seed is not None:
            set_seed(seed)
        drawn = sample(loaded.model, torch.tensor([ids]), max_new_tokens, temperature, top_k)
        print(loaded.tokenizer.decode(drawn[0].tolist()))

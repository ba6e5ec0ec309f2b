"""Names from neighbouring tools, and what they are called here.

Someone who comes from Ray Tune, W&B, Hydra, nanoGPT or the Hugging Face trainer writes their
words first; the answer to an unknown key is ours when one of these matches.
"""

from __future__ import annotations

from collections.abc import Collection

FOREIGN: dict[str, tuple[str, ...]] = {
    "learning_rate": ("lr",),
    "max_lr": ("lr",),
    "eta": ("lr",),
    "wd": ("weight_decay",),
    "beta1": ("betas",),
    "beta2": ("betas",),
    "type": ("name",),
    "optim": ("optimizer",),
    "max_steps": ("steps",),
    "max_iters": ("steps",),
    "num_steps": ("steps",),
    "iterations": ("steps",),
    "bs": ("batch_size",),
    "per_device_train_batch_size": ("batch_size",),
    "block_size": ("seq_len", "max_seq_len"),
    "context_length": ("seq_len", "max_seq_len"),
    "seq_length": ("seq_len", "max_seq_len"),
    "n_positions": ("max_seq_len",),
    "n_ctx": ("max_seq_len",),
    "n_embd": ("embed_dim",),
    "d_model": ("embed_dim",),
    "hidden_size": ("embed_dim",),
    "n_head": ("num_heads",),
    "n_heads": ("num_heads",),
    "num_attention_heads": ("num_heads",),
    "n_layer": ("num_layers",),
    "n_layers": ("num_layers",),
    "num_hidden_layers": ("num_layers",),
    "dataset": ("data",),
    "corpus": ("data",),
    "path": ("file",),
    "val_split": ("holdout",),
    "validation_split": ("holdout",),
    "val_fraction": ("holdout",),
    "test_size": ("holdout",),
    "logging_steps": ("log_every",),
    "log_interval": ("log_every",),
    "eval_steps": ("eval_every",),
    "eval_interval": ("eval_every",),
    "val_check_interval": ("eval_every",),
    "eval_iters": ("eval_batches",),
    "limit_val_batches": ("eval_batches",),
    "save_steps": ("every",),
    "save_total_limit": ("keep_last",),
    "num_threads": ("threads",),
    "random_seed": ("seed",),
    "random_state": ("seed",),
    "num_samples": ("n_trials",),
    "max_trials": ("n_trials",),
    "run_cap": ("n_trials",),
    "trials": ("n_trials",),
    "n_jobs": ("parallel",),
    "max_concurrent_trials": ("parallel",),
    "timeout": ("timeout_s",),
    "parameters": ("space", "matrix"),
    "params": ("space", "matrix"),
    "param_space": ("space",),
    "search_space": ("space",),
    "grid": ("matrix",),
    "sweep": ("matrix",),
    "method": ("sampler",),
    "algorithm": ("sampler",),
    "search_alg": ("sampler",),
    "scheduler": ("pruner",),
    "early_terminate": ("pruner",),
    "objective": ("metric",),
    "goal": ("direction",),
    "mode": ("direction",),
    "min": ("low",),
    "max": ("high",),
    "lower": ("low",),
    "upper": ("high",),
    "values": ("choices",),
    "options": ("choices",),
    "points_to_evaluate": ("enqueue",),
    "runs": ("experiments",),
    "experiment": ("experiments",),
    "search": ("searches",),
    "default": ("defaults",),
    "base": ("extends", "defaults"),
    "inherits": ("extends",),
    "<<": ("extends", "defaults"),
    "assert": ("expect",),
    "assertions": ("expect",),
    "expectations": ("expect",),
    "tolerance": ("abs", "rel"),
    "tol": ("abs", "rel"),
    "less_than": ("below",),
    "greater_than": ("above",),
    "step": ("at",),
    "notes": ("description",),
}


def _squeezed(word: str) -> str:
    """A word as people vary it: learning_rate, learning-rate, LearningRate."""
    return word.casefold().replace("-", "").replace("_", "")


_SQUEEZED = {_squeezed(word): ours for word, ours in FOREIGN.items()}


def translate(word: str, known: Collection[str]) -> str | None:
    """What another tool's ``word`` is called among the ``known`` keys, or None.

    >>> translate("learning_rate", {"name", "lr"})
    'lr'
    """
    ours = _SQUEEZED.get(_squeezed(word), ())
    return next((name for name in ours if name in known), None)

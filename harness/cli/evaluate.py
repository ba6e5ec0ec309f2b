"""`harness eval RUN`: section 14.6's rows, from the checkpoint."""

from __future__ import annotations

from harness.cli.errors import reporting
from harness.cli.options import Run, TrackingUri
from harness.errors import escape


def evaluate(run: Run, tracking_uri: TrackingUri = None) -> None:
    """Print, for each prefix of the corpus, the likeliest next token against the one that follows.

    A check of memorisation, not of generalisation.
    """
    with reporting():
        from harness.gpt.predict import accuracy, next_token_rows
        from harness.runs import open_checkpoint

        loaded = open_checkpoint(run, tracking_uri)
        rows = next_token_rows(loaded.model, loaded.corpus.head, loaded.corpus.seq_len)
        for row in rows:
            predicted, expected = (
                escape(repr(loaded.tokenizer.decode([token])))
                if token < loaded.tokenizer.vocab_size
                else f"id {token}"
                for token in (row.predicted, row.expected)
            )
            prefix = str(list(row.prefix))
            verdict = "OK" if row.ok else "WRONG"
            print(
                f"prefix={prefix:<28}  predicted={predicted:<7}  expected={expected:<7}  {verdict}"
            )
        right = sum(row.ok for row in rows)
        print(f"{right} of {len(rows)} next tokens right ({accuracy(rows):.1%})")

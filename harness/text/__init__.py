"""Text to token ids: tokenizers, sources and corpora, with the standard library alone."""

"""The GPT itself: model, batches, sampling, section 14.6's check, and checkpoints."""

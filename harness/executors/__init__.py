"""Where jobs run; knows callables, not experiments."""

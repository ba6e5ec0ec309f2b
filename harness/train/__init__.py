"""How runs are trained: engines, optimizers and the state that they advance."""

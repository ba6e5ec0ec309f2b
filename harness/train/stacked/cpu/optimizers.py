"""AdamW, Adam and SGD for 16 runs at once, each with its own settings.

torch's formulas (`torch.optim`, the implementation for one tensor), written so that what differs
between runs, and from step to step, is a few numbers a lane: decoupled decay and L2 penalty are
one formula with two factors, of which one is neutral, and so are momentum with and without
Nesterov's step. The numbers are computed in double precision and rounded once, as torch's are
(`float32(1) - float32(0.999)` is off by 1.3e-5).

Layout: weights, gradients and moments (P, W); settings (a row each, W) float64; numbers (a row
each, W) float32.
"""

from __future__ import annotations

import math
from typing import Any

from harness.train.stacked.cpu.compiling import compiled
from harness.train.stacked.cpu.rows import load, store
from harness.train.stacked.cpu.vector import W, fma, splat, sqrt

# Rows of `settings` for either family, as `stacked.settings` fills them.
LR, BETA1, BETA2, EPS, DECAY, L2 = range(6)
MOMENTUM, DAMPENING, NESTEROV = 1, 2, 3  # SGD's, where Adam has its betas and eps
NUM_SETTINGS = 6
NUM_NUMBERS = 9


@compiled
def adam_numbers(numbers: Any, settings: Any, steps: Any) -> None:
    """What `adam` needs for each lane's update number `steps[lane]`, counted from 1."""
    for lane in range(W):
        beta1, beta2 = settings[BETA1, lane], settings[BETA2, lane]
        correction1 = 1.0 - math.pow(beta1, float(steps[lane]))
        correction2 = 1.0 - math.pow(beta2, float(steps[lane]))
        lr = settings[LR, lane]
        numbers[0, lane] = 1.0 - lr * settings[DECAY, lane]
        numbers[1, lane] = settings[L2, lane]
        numbers[2, lane] = 1.0 - beta1
        numbers[3, lane] = beta2
        numbers[4, lane] = 1.0 - beta2
        numbers[5, lane] = 1.0 / math.sqrt(correction2)
        numbers[6, lane] = settings[EPS, lane]
        numbers[7, lane] = -lr / correction1


@compiled
def adam(
    weights: Any, gradients: Any, first: Any, second: Any, numbers: Any, start: int, end: int
) -> None:
    """One update of Adam (Kingma & Ba 2015) or AdamW (Loshchilov & Hutter 2019).

    Of rows `start` to `end`; `first` and `second` are the running means of gradient and squared
    gradient; gradients are set to zero for the next step.
    """
    decay, l2 = load(numbers, 0), load(numbers, 1)
    change1, beta2, change2 = load(numbers, 2), load(numbers, 3), load(numbers, 4)
    scale, eps, step = load(numbers, 5), load(numbers, 6), load(numbers, 7)
    for i in range(start, end):
        w = load(weights, i)
        g = fma(l2, w, load(gradients, i))
        m = load(first, i)
        m = fma(change1, g - m, m)
        v = fma(change2 * g, g, beta2 * load(second, i))
        store(first, i, m)
        store(second, i, v)
        store(weights, i, fma(step, m / fma(sqrt(v), scale, eps), w * decay))
        store(gradients, i, splat(0.0))


@compiled
def decay_only(weights: Any, numbers: Any, start: int, end: int) -> None:
    """What `adam` does, to the bit, to rows whose gradient and means are zero.

    That is so where there is no L2 penalty and eps is not 0: 0 / eps is taken off w * decay.
    """
    decay = load(numbers, 0)
    for i in range(start, end):
        store(weights, i, load(weights, i) * decay)


@compiled
def sgd_numbers(numbers: Any, settings: Any, steps: Any) -> None:
    """What `sgd` needs for each lane's update number `steps[lane]`, counted from 1."""
    for lane in range(W):
        momentum = settings[MOMENTUM, lane]
        first = steps[lane] == 1  # torch's buffer begins as the first gradient, undampened
        nesterov = settings[NESTEROV, lane] != 0
        numbers[0, lane] = settings[L2, lane]
        numbers[1, lane] = 0.0 if first else momentum
        numbers[2, lane] = 1.0 if first or momentum == 0 else 1.0 - settings[DAMPENING, lane]
        numbers[3, lane] = momentum if nesterov else 1.0  # of the buffer in the step
        numbers[4, lane] = 1.0 if nesterov else 0.0  # of the gradient
        numbers[5, lane] = -settings[LR, lane]


@compiled
def sgd(weights: Any, gradients: Any, buffer: Any, numbers: Any) -> None:
    """One update of SGD with momentum (Sutskever et al. 2013), dampening and Nesterov's step.

    Without momentum the buffer is the gradient. Gradients are set to zero for the next step.
    """
    l2, keep, take = load(numbers, 0), load(numbers, 1), load(numbers, 2)
    of_buffer, of_gradient, step = load(numbers, 3), load(numbers, 4), load(numbers, 5)
    for i in range(len(weights)):
        w = load(weights, i)
        g = fma(l2, w, load(gradients, i))
        b = fma(keep, load(buffer, i), take * g)
        store(buffer, i, b)
        store(weights, i, fma(step, fma(of_gradient, g, of_buffer * b), w))
        store(gradients, i, splat(0.0))

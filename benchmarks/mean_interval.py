"""The mean of values and its 95 % interval by the bootstrap: worlds, markets or seeds drawn with repetition."""

from collections.abc import Sequence

import numpy as np

from pipelines.core.domain import FloatArray


def mean_interval(values: FloatArray | Sequence[float], *, samples: int = 2_000, seed: int = 0) -> list[float]:
    """Mean, and lower and upper end of its 95 % interval."""
    known = np.asarray(values, dtype=np.float64)
    drawn = known[np.random.default_rng(seed).integers(0, len(known), (samples, len(known)))].mean(axis=1)
    return [float(one) for one in (known.mean(), *np.quantile(drawn, (0.025, 0.975)))]

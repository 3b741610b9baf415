"""Augmentation of time series: the table of its methods, and how one is applied to a row and checked.

A method is `(channels, rng, **parameters) -> channels`, or None where it can do nothing; see `warps`. Gaps are filled
along time before it, and open again after it at the places where they were: what a warp moves into a gap is lost.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data.augment.partners import Classes
from toolkit.data.augment.run import Made, Task
from toolkit.data.augment.series import frequency, store, warps
from toolkit.data.augment.shown import Labels
from toolkit.data.augment.strategy import Draw, bind

if TYPE_CHECKING:
    import pyarrow as pa

METHODS: dict[str, Callable[..., list[Any] | None]] = {
    "jitter": warps.jitter,
    "scaling": warps.scaling,
    "magnitude_warp": warps.magnitude_warp,
    "time_warp": warps.time_warp,
    "window_warp": warps.window_warp,
    "permutation": warps.permutation,
    "slicing": warps.slicing,
    "rotation": warps.rotation,
    "flip": warps.flip,
    "linear_mixing": warps.linear_mixing,
    "frequency_masking": frequency.frequency_masking,
    "phase_perturbation": frequency.phase_perturbation,
    "amplitude_noise": frequency.amplitude_noise,
}
MIXTURES = ("linear_mixing",)  # which take another series of the class
RIGID = ("rotation",)  # whose children are their parents as seen from elsewhere: no likeness is lost
FIRST = None  # a bare number in a strategy sets the method's own first parameter
PRESETS: dict[str, dict[str, Any]] = {
    "light": {name: {} for name in ("jitter", "scaling", "magnitude_warp", "window_warp", "slicing")},
    "strong": {
        "jitter": 0.1,
        "scaling": 0.2,
        "magnitude_warp": 0.3,
        "time_warp": {},
        "window_warp": 0.2,
        "permutation": {},
        "slicing": 0.8,
        "linear_mixing": {},
        "frequency_masking": {},
        "phase_perturbation": {},
        "amplitude_noise": {},
    },
    "noise": {"jitter": 0.1, "phase_perturbation": {}, "amplitude_noise": {}},
}
LEAST_CHANGE = 1e-6  # in standard deviations of the channel


class TimeSeries:
    """See `run.Modality`."""

    chunk, block = 256, 8_192
    batched: frozenset[int] = frozenset()

    def __init__(self, rows: pa.Table, codes: Any, draws: list[Draw], given: Mapping[str, Any]) -> None:
        self.kind = rows.schema.field("series").type
        self.rows = store.Store(rows.column("series"))
        self.names = [draw.name for draw in draws]
        self.weights = [draw.p for draw in draws]
        self.methods = [bind(draw, METHODS, given) for draw in draws]
        self.least = given["min_similarity"]
        self.mixes = any(name in MIXTURES for name in self.names)
        self.classes = Classes(rows, codes) if self.mixes else None

    def assembled(self, parents: pa.Table, values: list[list[Any]]) -> pa.Table:
        """The parents with the children's series in place of their own."""
        return parents.set_column(parents.column_names.index("series"), "series", store.column(values, self.kind))

    def make(self, tasks: list[Task]) -> list[Made]:
        with np.errstate(all="ignore"):  # what is not finite is told from the values
            return [self._one(task) for task in tasks]

    def _one(self, task: Task) -> Made:
        series, name, rng = self.rows.row(task.row), self.names[task.choice], np.random.default_rng(task.seed)
        filled = [_filled(channel) for channel in series]
        if not any(len(c) > 1 and c.std() > 0 for c in filled):
            return Made(name, None, "impossible")
        partner, others = -1, []
        if name in MIXTURES and self.classes:
            partner = self.classes.mate(task.row, rng.random())
            if partner < 0:
                return Made(name, None, "impossible")
            others = [[_filled(channel) for channel in self.rows.row(partner)]]
        changed = self.methods[task.choice](filled, rng, *others)
        if changed is None:
            return Made(name, None, "impossible")
        made = [_with_gaps(store.fitted(new, self.kind), old) for new, old in zip(changed, series, strict=True)]
        if not all(np.isfinite(new[np.isfinite(old)]).all() for new, old in zip(made, series, strict=True)):
            return Made(name, None, "impossible")
        full = [_filled(channel) for channel in made]
        if all(np.abs(a - b).max(initial=0) <= LEAST_CHANGE * b.std() for a, b in _known(full, filled)):
            return Made(name, None, "unchanged")
        if name not in RIGID and similarity(full, filled) < self.least:
            return Made(name, None, "too different")
        return Made(name, made, key=store.key(made), partner=partner)


def similarity(after: list[Any], before: list[Any]) -> float:
    """The mean of two likenesses, of the values (sorted) and of the amplitudes by octave: 1 for alike, 0 for not.

    Each is 1 less the distance of the two, as a share of the larger one. When something happens plays no part, nor a
    few percent of speed: what was warped or put in another order stays alike. Noise of one standard deviation on a
    smooth series gives about 0.5, of two 0.3; a third (or three times) of the size a third. The level plays no part.
    Channels weigh alike (each in its standard deviations before).
    """
    pairs, sums = _known(after, before), np.zeros((2, 3))
    for length in {len(old) for _, old in pairs if len(old) > 1}:
        new, old = (np.stack(part) for part in zip(*(p for p in pairs if len(p[1]) == length), strict=True))
        scale = old.std(1, keepdims=True)
        new, old = ((c - c.mean(1, keepdims=True))[scale[:, 0] > 0] / scale[scale > 0][:, None] for c in (new, old))
        looks = (np.sort(new, axis=1), np.sort(old, axis=1)), (_octaves(new), _octaves(old))
        sums += [(((a - b) ** 2).sum(), (a * a).sum(), (b * b).sum()) for a, b in looks]
    apart = np.sqrt(sums[:, 0] / np.maximum(sums[:, 1:].max(1), 1e-300))
    return float(np.maximum(1 - apart, 0).mean())


def _octaves(channels: Any) -> Any:
    """(channels, octaves) the amplitude in each octave."""
    spectrum = np.fft.rfft(channels)[:, 1:]
    return np.sqrt((spectrum.real**2 + spectrum.imag**2) @ _weights(spectrum.shape[1]))


@functools.lru_cache(maxsize=16)
def _weights(frequencies: int) -> Any:
    """(frequencies, octaves): what lies between the middles of two octaves counts for both, in parts."""
    place = np.log2(np.arange(1, frequencies + 1))
    return np.maximum(1 - np.abs(place[:, None] - np.arange(frequencies.bit_length() + 1)), 0)


def _known(after: list[Any], before: list[Any]) -> list[tuple[Any, Any]]:
    """The pairs of channels in which something is known."""
    return [pair for pair in zip(after, before, strict=True) if len(pair[1]) and not np.isnan(pair[1]).any()]


def _filled(channel: Any) -> Any:
    """Gaps (what is not finite) filled along time, the ends by the nearest value; all NaN where nothing is known."""
    known = np.isfinite(channel)
    if known.all():
        return channel
    if not known.any():
        return np.full(len(channel), np.nan)
    places = np.flatnonzero(known)
    return np.interp(np.arange(len(channel)), places, channel[places])


def _with_gaps(channel: Any, parent: Any) -> Any:
    """The parent's gaps in the child, at the same places."""
    return np.where(np.isfinite(parent), channel, parent)


def keys(rows: pa.Table) -> set[int]:
    """The keys of series that are there already."""
    known = store.Store(rows.column("series"))
    return {store.key(known.row(number)) for number in range(known.length)}


def examples(train: pa.Table, children: pa.Table, count: int) -> dict[str, Any]:
    """A few children of each method: {"curves": [(method, class, "parent", "new", "partner" -> channels)]}."""
    import pyarrow.compute as pc

    shown, labels = [], Labels(train)
    for name in pc.unique(children.column("method")).to_pylist():
        of_method = children.filter(pc.equal(children.column("method"), name))
        for i in range(0, len(of_method), max(1, len(of_method) // count))[:count]:
            child = of_method.slice(i, 1).to_pylist()[0]
            curves = {"parent": child["parent_id"], "new": None, "partner": child.get("partner_id")}
            for role, id_ in curves.items():
                curves[role] = child["series"] if role == "new" else _series(train, id_)
            shown.append((name, labels.told(child), {role: curve for role, curve in curves.items() if curve}))
    return {"curves": shown}


def _series(train: pa.Table, id_: str | None) -> Any:
    import pyarrow.compute as pc

    return None if id_ is None else train.column("series")[pc.index(train.column("id"), id_).as_py()].as_py()


MODALITY = TimeSeries

"""Numbers as columns of whole numbers hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa


def whole(values: Any, kind: pa.DataType) -> Any:
    """Rounded, and no further out than this type of whole numbers reaches (float64); what is not finite stays."""
    bounds = np.iinfo(kind.to_pandas_dtype())
    high = float(bounds.max)
    if int(high) > bounds.max:  # of 64 bits the next float below
        high = np.nextafter(high, 0)
    return np.where(np.isfinite(values), np.clip(np.rint(values), float(bounds.min), high), values)

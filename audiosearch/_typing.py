"""The array types of the package, by their numbers; what the axes are stands where one is used."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Halves = NDArray[np.float16]
AnyFloats = NDArray[np.floating]
HalfOrFloats = NDArray[np.float16] | NDArray[np.float32]
Ints = NDArray[np.int64]
Int8s = NDArray[np.int8]
Bools = NDArray[np.bool_]
Positions = NDArray[np.intp]  # indices into an array
AnyArray = NDArray[Any]

Samples = NDArray[np.float32]  # sound, in -1..1 unless said otherwise
Ids = NDArray[np.int64]  # rows of a table of the library

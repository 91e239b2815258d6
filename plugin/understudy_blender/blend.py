"""A blend of two pictures that leaves the first bit for bit where the second has no weight."""

from __future__ import annotations

import bpy

from .graph import Given, Graph

# Beyond it a number counts as infinite; halves and all that a camera gives lie far below.
_LARGEST = 3e38


def blended(
    graph: Graph, plate: bpy.types.NodeSocket, face: bpy.types.NodeSocket, weight: bpy.types.NodeSocket
) -> bpy.types.NodeSocket:
    """The blend; where the weight is 0 the plate's bits, NaN, infinity and negative zero included.

    The compositor has no choice between two pixels that does no arithmetic on them, and a number that is not
    finite survives every multiplication by 0. So the plate is held to finite numbers, what that took from it
    is kept as a difference (0 for all but what is not finite), and the difference is put back where no face
    is. A plate's pixel that is not finite gives way to the face.

    All three inputs have the plate's raster.
    """
    # Minimum and maximum give their first input where the second is NaN.
    seen = graph.vector("MINIMUM", (_LARGEST,) * 3, plate)
    seen = graph.vector("MAXIMUM", (-_LARGEST,) * 3, seen)
    taken = graph.vector("SUBTRACT", seen, plate)
    finite: Given = 1.0
    for channel in graph.channels(seen):
        within = graph.number("LESS_THAN", graph.number("ABSOLUTE", channel), _LARGEST)
        finite = graph.number("MULTIPLY", within, finite)
    covered = graph.number("GREATER_THAN", weight, 0.0)
    gone = graph.number("SUBTRACT", 1.0, finite)
    share = graph.number("MAXIMUM", graph.number("MULTIPLY", gone, covered), weight)
    kept = graph.scaled(seen, graph.number("SUBTRACT", 1.0, share))
    # 0 less a zero of either sign is +0, and less +0 every number keeps its bits.
    added = graph.vector("SUBTRACT", (0.0,) * 3, graph.scaled(face, share))
    blended = graph.vector("SUBTRACT", kept, added)
    # Only a power turns what is not finite into a number.
    outside = graph.number("SUBTRACT", 1.0, covered)
    back = graph.vector("POWER", taken, graph.grey(outside))
    back = graph.vector("SUBTRACT", back, graph.grey(covered))
    return graph.vector("SUBTRACT", blended, back)

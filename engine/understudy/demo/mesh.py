"""Grid meshes, their normals, and packing many of them into one list of triangles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from understudy.demo.template import Floats

Ints = NDArray[np.int32]

SKIN, EYE, TEETH, MOUTH, HAIR, SHIRT, LASH = range(7)
# Parts that are lit as skin or hair, and are neither to who labels them.
EAR, BEARD = 7, 8


@dataclass(frozen=True)
class GridMesh:
    """A rectangular grid of points that becomes two triangles a cell."""

    points: Floats
    """(R, C, 3) centimetres."""
    uv: Floats
    """(R, C, 2) texture coordinates."""
    material: int
    shade: Floats | None = None
    """(R, C) how open a point is to light; 1 where None."""
    cut_layer: int = -1
    cut_level: float = 0.0
    normals: Floats | None = None
    part: int = -1
    """What the mesh is, where its material does not say."""


@dataclass(frozen=True)
class Soup:
    """Packed meshes: vertex arrays of N, triangle arrays of M."""

    points: Floats
    normals: Floats
    uv: Floats
    shade: Floats
    triangles: Ints
    material: Ints
    cut_layer: Ints
    cut_level: Floats
    part: Ints


def grid_normals(points: Floats) -> Floats:
    """Unit normals of a grid by central differences, row × column order."""
    along_rows = np.empty_like(points)
    along_rows[1:-1] = points[2:] - points[:-2]
    along_rows[0], along_rows[-1] = points[1] - points[0], points[-1] - points[-2]
    along_columns = np.empty_like(points)
    along_columns[:, 1:-1] = points[:, 2:] - points[:, :-2]
    along_columns[:, 0] = points[:, 1] - points[:, 0]
    along_columns[:, -1] = points[:, -1] - points[:, -2]
    ax, ay, az = along_rows[..., 0], along_rows[..., 1], along_rows[..., 2]
    bx, by, bz = along_columns[..., 0], along_columns[..., 1], along_columns[..., 2]
    normal = np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], -1)
    length = np.sqrt(np.einsum("...i,...i->...", normal, normal))[..., None]
    return np.asarray(normal / np.maximum(length, 1e-9), dtype=np.float32)


def grid_uv(rows: int, columns: int) -> Floats:
    """Texture coordinates that run 0..1 over a grid's columns (u) and rows (v)."""
    v, u = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    return np.stack([u, v], -1).astype(np.float32)


def grid_triangles(rows: int, columns: int) -> Ints:
    """(2·(R−1)·(C−1), 3) int32 vertex numbers of a grid's triangles."""
    index = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    pairs = np.stack([np.stack([a, c, b], -1), np.stack([b, c, d], -1)], 2)
    return pairs.reshape(-1, 3)


def pack(meshes: Sequence[GridMesh]) -> Soup:
    """Join grids into one soup, in their order."""
    points, normals, uv, shade, triangles, material, layer, level = [], [], [], [], [], [], [], []
    part: list[Ints] = []
    offset = 0
    for mesh in meshes:
        rows, columns = mesh.points.shape[:2]
        faces = grid_triangles(rows, columns)
        points.append(mesh.points.reshape(-1, 3))
        own = grid_normals(mesh.points) if mesh.normals is None else mesh.normals
        normals.append(own.reshape(-1, 3))
        uv.append(mesh.uv.reshape(-1, 2))
        shade.append(np.ones(rows * columns, np.float32) if mesh.shade is None else mesh.shade.reshape(-1))
        triangles.append(faces + offset)
        material.append(np.full(len(faces), mesh.material, np.int32))
        layer.append(np.full(len(faces), mesh.cut_layer, np.int32))
        level.append(np.full(len(faces), mesh.cut_level, np.float32))
        part.append(np.full(len(faces), mesh.material if mesh.part < 0 else mesh.part, np.int32))
        offset += rows * columns
    return Soup(
        np.concatenate(points).astype(np.float32),
        np.concatenate(normals).astype(np.float32),
        np.concatenate(uv).astype(np.float32),
        np.concatenate(shade).astype(np.float32),
        np.concatenate(triangles),
        np.concatenate(material),
        np.concatenate(layer),
        np.concatenate(level),
        np.concatenate(part),
    )

"""How a picture's channels are read: which view, which layer, and what its alpha means."""

from __future__ import annotations

from dataclasses import dataclass, replace

from understudy.core.errors import PlateError
from understudy.image import layers
from understudy.image.alpha import Alpha, decided
from understudy.image.frame import Frame


@dataclass(frozen=True)
class Reading:
    """The user's choices for a plate's channels; the file decides the rest.

    Attributes:
        alpha: Whether colours are multiplied by their alpha.
        layer: Name of the layer that is worked on; the main layer when empty.
        view: Name of the view of a stereo file that is worked on; the default view when empty.
        painted: Whether it is of pictures that were painted over a plate: they are taken as the plate is as
            far as they have its view and layer, else by their main layer, and their alpha is left to the
            painting.
    """

    alpha: Alpha = "auto"
    layer: str = ""
    view: str = ""
    painted: bool = False

    def as_text(self) -> str:
        """The declared choices as text; empty where the file decides all."""
        if replace(self, painted=False) == Reading():
            return ""
        return f" alpha {self.alpha}, layer {self.layer}, view {self.view}"

    def of(self, frame: Frame) -> Frame:
        """The frame with its layer and its alpha decided; its notes hold what the user should know.

        Raises:
            PlateError: it has no such view or layer, or no colours.
        """
        if not self.painted:
            return decided(self._chosen(frame), self.alpha)
        view = self.view if self.view in frame.views else ""
        whole = replace(self, view=view)
        channels, _ = whole._in_view(frame)
        there = layers.named(channels, self.layer) is not None
        return replace(replace(whole, layer=self.layer if there else "")._chosen(frame), notes=frame.notes)

    def _chosen(self, frame: Frame) -> Frame:
        channels, notes = self._in_view(frame)
        name = self.layer
        if frame.parts and name == frame.parts[0].name and layers.named(channels, name) is None:
            name = ""  # the first part's channels have no name before them
        found = layers.named(channels, name) if name else layers.main(channels)
        if found is None:
            raise no_colour(frame, channels, self.layer)
        return replace(
            frame,
            layer=layers.Layer(
                tuple(channels[one] for one in found.colour),
                None if found.alpha is None else channels[found.alpha],
            ),
            notes=(*frame.notes, *notes),
        )

    def matte(self, frame: Frame) -> Frame:
        """A matte's frame with the channels of the view that is worked on; itself where it has no views."""
        if len(frame.views) < 2:
            return frame
        view = self.view if self.view in frame.views else ""
        channels, _ = replace(self, view=view)._in_view(frame)
        index = [frame.channels.index(name) for name in channels.values()]
        return replace(frame, pixels=frame.pixels[..., index], channels=tuple(channels), parts=(), views=())

    def _in_view(self, frame: Frame) -> tuple[dict[str, str], list[str]]:
        """The channels of the chosen view by their names in it, and what a user should know of the others."""
        if len(frame.views) < 2:
            if self.view and self.view not in frame.views:
                raise PlateError(
                    f"The plate has no view {self.view!r}: it is not stereo.",
                    where=frame.origin,
                    fix="leave the view out",
                )
            return {name: name for name in frame.channels}, []
        chosen = self.view or frame.views[0]
        if chosen not in frame.views:
            raise PlateError(
                f"The plate has no view {chosen!r}.",
                where=frame.origin,
                fix=f"choose one of {', '.join(frame.views)}",
            )
        others = " and ".join(one for one in frame.views if one != chosen)
        said = {name: "" for name in frame.channels}
        said |= {name: part.view for part in frame.parts for name, _ in part.channels}
        note = f"Only the view {chosen} is worked on; {others} goes through as it is. --view names another."
        found = layers.in_view(said, chosen, frame.views)
        return found, [] if self.view else [note]


def no_colour(frame: Frame, channels: dict[str, str], layer: str) -> PlateError:
    """The error of a frame that has no such layer, or none that is the plate's without doubt."""
    there = layers.names(channels)
    if not layer and layers.is_luminance_chroma(channels):
        return PlateError(
            "The plate is stored as luminance and chroma: Y, RY and BY.",
            where=frame.origin,
            fix="write it as R, G and B",
        )
    if layer:
        what = f"The plate has no layer {layer!r} with colours."
    elif there:
        what = "The plate has several layers with colours, and none of them is the main one."
    else:
        what = f"The plate has no R, G and B among its channels: {', '.join(channels)}."
    fix = f"choose one with --layer: {', '.join(one or 'rgb' for one in there)}"
    return PlateError(what, where=frame.origin, fix=fix if there else "write the plate with an rgb layer")

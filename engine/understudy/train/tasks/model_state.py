"""The state of a model in training: a network of several identities and the faces that it learns from."""

from __future__ import annotations

from dataclasses import dataclass, field

from understudy.core.progress import Progress
from understudy.face.faceset.store import FaceSet
from understudy.jobs.training import TrainJob
from understudy.train.checkpoints import model_folder
from understudy.train.data.samples import LoadedFaces, load_on_device
from understudy.train.networks import autoencoder, growth, joining
from understudy.train.state import TrainingState

# A batch that is raised along the run is doubled so often at most.
MOST_DOUBLINGS = 2


@dataclass(kw_only=True)
class ModelState(TrainingState):
    """A model in training.

    Attributes:
        description: What model.json says.
        facesets: Those that are trained on, by their identities' indices in the model.
        faces: The faces of these, loaded for faces of `faces_size` pixels.
        joined_seconds: What `trained_seconds` was when a newcomer joined, by name.
    """

    job: TrainJob
    network: autoencoder.Comb
    ema: autoencoder.Comb
    description: model_folder.Description
    facesets: dict[int, FaceSet]
    faces: dict[int, LoadedFaces] = field(default_factory=dict)
    faces_size: int = 0
    joined_seconds: dict[str, float] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Edge of the faces that the network takes and predicts now."""
        return self.network.edge

    @property
    def batch(self) -> int:
        """Faces of each identity in one iteration."""
        every = self.job.raise_iterations
        raised = min(self.iteration // every, MOST_DOUBLINGS) if every else 0
        return self.first_batch << raised

    @property
    def faces_per_iteration(self) -> int:
        """Faces of all identities in one iteration."""
        return self.batch * len(self.learning)

    @property
    def edit_of(self) -> int | None:
        """The performer whose edited faces the source is, where it is an edit."""
        names = self.description.architecture.identities
        of = self.description.edited.get(names[self.description.source])
        return None if of is None else names.index(of)

    @property
    def newcomers(self) -> list[int]:
        """The identities that learn alone now; an edit always does."""
        if self.edit_of is not None:
            return [self.description.source]
        found = joining.newcomers(self.description, self.iteration, self.job.alone_iterations)
        return [index for index in found if index in self.facesets]

    @property
    def learning(self) -> list[int]:
        """The identities that learn now."""
        return self.newcomers or sorted(self.facesets)

    @property
    def shared_learns(self) -> bool:
        """Whether what the identities share learns now."""
        return not self.newcomers and len(self.facesets) == len(self.description.architecture.identities)

    @property
    def schedule_start(self) -> int:
        """The iteration that the learning rate's schedule counts from."""
        names = self.description.architecture.identities
        return max((self.description.joined.get(names[new], 0) for new in self.newcomers), default=0)

    @property
    def comparable_since(self) -> int:
        """The iteration since which validations compare: the last newcomer's or finer level's."""
        growths, every = self.description.architecture.growths, self.job.grow_iterations
        stage = growth.stage_began(max(0, self.iteration - 1), growths=growths, every=every)
        joined = (at for at in self.description.joined.values() if at < self.iteration)
        return max(stage, max(joined, default=0))

    def apply_schedule(self) -> bool:
        """Set what the iteration asks for: how far the network has grown, who learns, faces of its size.

        Returns:
            Whether faces of another size were loaded.

        Raises:
            TrainingError: they do not fit into memory.
        """
        architecture, every = self.description.architecture, self.job.grow_iterations
        grown = growth.grown(self.iteration, growths=architecture.growths, every=every)
        self.network.grown = self.ema.grown = grown
        edited = self.edit_of is not None
        joining.freeze(self.network, learning=self.learning, shared_learns=self.shared_learns, edited=edited)
        if self.faces_size == self.size:
            return False
        self._load_faces()
        return True

    def _load_faces(self) -> None:
        self.faces, self.faces_size = {}, 0  # the ones before need not fit into memory beside them
        for done, (index, faceset) in enumerate(sorted(self.facesets.items())):
            said = f"{faceset.identity}, {self.size} px"
            self.report(Progress("load faces", done, len(self.facesets), said))
            self.faces[index] = load_on_device(faceset, size=self.size, device=self.device)
        self.faces_size = self.size

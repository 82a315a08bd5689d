"""What a segmentation method is: one description that everything else is derived from.

A file of `levelfield.segmentation.methods`, or an entry point of the group ``levelfield.methods``,
defines one `Method`. The schema of the config, its checks, the tables of docs/segmentation.md, the
parameter advice and the way fields are mapped over threads and GPUs follow from it.
"""

from collections.abc import Callable
from dataclasses import dataclass

from levelfield.config.checks import MethodFacts
from levelfield.config.options import Options
from levelfield.config.planted import PARENT_ROLES
from levelfield.questions import Aim
from levelfield.segmentation.result import Segmentation


@dataclass(frozen=True)
class Knob:
    """A parameter that the report may advise to change.

    Raising it does what `raised` says, lowering it the opposite.
    """

    parameter: str
    """With dots where it is nested."""
    step: float
    """A first change that can be seen."""
    raised: Aim
    relative: bool = False
    """Whether the step is a share of the value."""
    signed: bool = False
    """Whether the parameter may fall to zero and below."""
    unset: str = ""
    """What it is held against where it has no value; without it, it is then passed over."""


@dataclass(frozen=True, kw_only=True)
class Method(MethodFacts):
    """A segmentation method: what the config's checks know of it, and how it runs."""

    name: str
    """As in the config; also the name of the file or of the entry point."""
    makes: str
    """What it makes, in one line."""
    options: type[Options]
    """What ``parameters`` of an object set may hold."""
    run: Callable[..., Segmentation] | None = None
    """From an image (C, Y, X) float32, intensity 0-1, and the options to a `Segmentation`. What the
    method builds on comes as keywords: label images (Y, X) int32 as `parent`, `minus` and `within`,
    a trained forest as `classifier`, a loaded `model`, and `imported` labels."""
    run_many: Callable[..., list[Segmentation]] | None = None
    """In place of `run`, for methods that see many images at once to keep a GPU busy: images,
    options, and for each image a mapping of what it builds on, to a list of `Segmentation`."""
    builds_on: tuple[str, ...] = ()
    """Roles out of `PARENT_ROLES`; the config has to name an object set for each."""
    files: bool = False
    """Whether it takes over label images that were made elsewhere."""
    for_threads: bool = False
    """Whether several threads may use one model at the same time."""
    made_elsewhere: bool = False
    """Whether the program that decides on the objects is another one."""
    trainable: bool = False
    """Whether `levelfield.training` can train its weights."""
    environment: str = ""
    """What it needs beyond the base installation: an extra, or an environment of its own."""
    knobs: tuple[Knob, ...] = ()
    """Which parameter to change; for each aim the first that is in force counts."""

    def __post_init__(self) -> None:
        if (self.run is None) == (self.run_many is None):
            raise ValueError(f"method {self.name} must define either run or run_many")
        unknown = [role for role in self.builds_on if role not in PARENT_ROLES]
        if unknown:
            raise ValueError(
                f"method {self.name} builds on {unknown[0]!r}; allowed are "
                f"{', '.join(PARENT_ROLES)}"
            )

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys besides its parents that an object set needs for it."""
        needed = {
            "weights": self.weights,
            "files": self.files,
            "classifier": self.classifier == "needed",
        }
        return tuple(key for key, wanted in needed.items() if wanted)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of all that it builds on besides the image."""
        keywords = {"weights": "model", "files": "imported", "classifier": "classifier"}
        return (*self.builds_on, *(keywords[key] for key in self.keys))

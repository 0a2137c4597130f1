"""Requests for a build image: the machine that runs a build has no container runtime, so a worker finds an available image.

Both the request and its answer are JSON, and are checked when they are read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from everywheel.cluster.step_description import InvalidDescription, load_facts
from everywheel.containers.image_choice import SelectedImage, find_obstacle
from everywheel.containers.runtime_images import RuntimeImages
from everywheel.platforms.architectures import ARCHES, Arch


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest:
    """The candidates for a target, the preferred one first: names of build images, each with its reference.

    The reference is None if the image is built from packages, and empty if it has no digest.
    """

    arch: Arch
    candidates: Mapping[str, str | None]

    @classmethod
    def of(cls, candidates: Sequence[SelectedImage]) -> ImageRequest:
        """Return the request for the candidates of one target."""
        return cls(
            arch=candidates[0].target.arch,
            candidates={
                candidate.image.name: None if candidate.is_local else candidate.reference for candidate in candidates
            },
        )

    def to_json(self) -> str:
        """Return the request as text."""
        return json.dumps({"arch": self.arch.name, "candidates": list(self.candidates.items())})

    @classmethod
    def parse(cls, text: str) -> ImageRequest:
        """Return the request in a text; raise InvalidDescription for any other."""
        facts = load_facts(text)
        try:
            candidates = {
                str(name): None if reference is None else str(reference) for name, reference in facts["candidates"]
            }
            return cls(arch=ARCHES[str(facts["arch"])], candidates=candidates)
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidDescription(f"not a request for an image: {error}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageAnswer:
    """The name of the first available image, or an empty one, and the reason of each image before it."""

    worker: str
    name: str
    reasons: Mapping[str, str]

    def to_json(self) -> str:
        """Return the answer as text."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: object) -> ImageAnswer:
        """Return the answer in a text; raise InvalidDescription for anything else."""
        facts = load_facts(text)
        try:
            reasons = {str(name): str(reason) for name, reason in facts["reasons"].items()}
            return cls(worker=str(facts["worker"]), name=str(facts["name"]), reasons=reasons)
        except (AttributeError, KeyError) as error:
            raise InvalidDescription(f"not the answer to a request for an image: {error}") from None


def answer_request(request: ImageRequest, worker: str, images: RuntimeImages, *, pull: bool) -> ImageAnswer:
    """Return the first image that a runtime can use; those from packages are built by the step that needs one."""
    reasons: dict[str, str] = {}
    for name, reference in request.candidates.items():
        reason = "" if reference is None else find_obstacle(reference, request.arch, images, pull=pull)
        if not reason:
            return ImageAnswer(worker=worker, name=name, reasons=reasons)
        reasons[name] = reason
    return ImageAnswer(worker=worker, name="", reasons=reasons)

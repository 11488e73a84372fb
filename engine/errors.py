"""Everything the engine can raise on purpose.

    EngineError
    ├── ArtefactError        a model artefact is missing, broken, truncated or not ours
    ├── SnapshotError        a state of the catalogue is not kept, broken or not ours
    ├── ModelFitError        a learner could not learn from what it was given
    ├── DatasetError         an evaluation data set cannot be read
    └── EvaluationError      an estimate was asked of numbers that cannot be

Messages are lower case, name files and columns, and never hold a customer id.
"""

from __future__ import annotations


class EngineError(Exception):
    """Base of every error the engine raises on purpose."""


class ArtefactError(EngineError):
    """A model artefact is missing, broken, truncated or of another format."""


class SnapshotError(EngineError):
    """A state of the catalogue is not kept, broken or of another format."""


class ModelFitError(EngineError):
    """A learner could not learn from what it was given."""


class DatasetError(EngineError):
    """An evaluation data set cannot be read."""


class EvaluationError(EngineError):
    """An estimate was asked of numbers that cannot be."""

"""What a run read, as MLflow's data sets."""

import json
from typing import TYPE_CHECKING

from study.provenance import Dataset
from study.tracking.address import without_secrets

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput, Run

_DIGEST = 36  # letters of a digest that MLflow takes; the profile has the whole


def missing_inputs(run: "Run", read: list[Dataset]) -> list["DatasetInput"]:
    """Return those of the data sets that a run in MLflow does not have yet."""
    from mlflow.entities import Dataset as Described
    from mlflow.entities import DatasetInput, InputTag
    from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

    known = {(one.dataset.name, one.dataset.digest) for one in run.inputs.dataset_inputs} if run.inputs else set()
    inputs = []
    for one in read:
        profile = json.dumps({"sha256": one.sha256, **one.facts})
        place = json.dumps({"url" if one.kind == "http" else "uri": without_secrets(one.source)})
        shown = Described(one.name, one.sha256[:_DIGEST], one.kind, place, profile=profile)
        if (shown.name, shown.digest) not in known:
            purpose = "pretraining" if one.is_training else "evaluation"
            inputs.append(DatasetInput(shown, [InputTag(MLFLOW_DATASET_CONTEXT, purpose)]))
    return inputs

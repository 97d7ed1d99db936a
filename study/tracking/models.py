"""The best model of a study among MLflow's models: its files, its scores, and the run that it comes from."""

from pathlib import Path
from typing import TYPE_CHECKING

from study.best_model import BestModel, path
from study.tracking.address import without_secrets

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel, Metric

_MADE_BY, _STEPS = "study.run", "study.budget"


def log_model(
    client: "MlflowClient",
    experiment: str,
    identity: dict[str, str],
    model: BestModel,
    folder: Path,
    run_id: str,
    metrics: list["Metric"],
) -> None:
    """Log the model unless it is there; one that another configuration left, or that was cut off, is replaced.

    Args:
        client: MLflow.
        experiment: Its experiment.
        identity: Tags by which the models of this study are found.
        model: What lies in the folder.
        folder: Of the study.
        run_id: The run that pretrained it, in MLflow.
        metrics: What that run has at the model's budget.
    """
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus, Metric

    rule = " AND ".join(f"tags.`{name}` = '{value}'" for name, value in identity.items())
    for known in client.search_logged_models([experiment], filter_string=rule):
        if known.status == LoggedModelStatus.READY and _is(known, model):
            return
        client.delete_logged_model(known.model_id)
    parameters = {name: without_secrets(str(value)) for name, value in model.parameters.items()}
    created = client.create_logged_model(
        experiment,
        name=identity["study"],
        source_run_id=run_id,
        tags={**identity, _MADE_BY: model.run, _STEPS: str(model.budget), "curriculum": model.curriculum},
        params={"curriculum": model.curriculum, "budget": str(model.budget), **parameters},
        model_type="masked language model",
    )
    client.log_model_artifacts(created.model_id, str(path(folder)))
    shown = [Metric(one.key, one.value, one.timestamp, one.step, model_id=created.model_id) for one in metrics]
    client.log_batch(run_id, shown)  # the run has them already, and keeps them once
    client.log_outputs(run_id, [LoggedModelOutput(created.model_id, model.budget)])
    client.finalize_logged_model(created.model_id, LoggedModelStatus.READY)


def _is(known: "LoggedModel", model: BestModel) -> bool:
    return (known.tags.get(_MADE_BY), known.tags.get(_STEPS)) == (model.run, str(model.budget))

"""Three classifiers of handwritten digits that differ, and a folder for each as MLServer loads it.

Every version serves two models: `digits`, MLServer's own scikit-learn runtime as it is, and `digits-stream`,
the same with an answer for every request of a stream (the runtime itself answers the first alone).
"""

import json
import pathlib
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

MODEL = "digits"
STREAMING_MODEL = "digits-stream"
TRAINED_ON = 1200

_RUNTIME = """
from mlserver_sklearn import SKLearnModel


class Streaming(SKLearnModel):
    async def predict_stream(self, payloads):
        async for payload in payloads:
            yield await self.predict(payload)
"""


@dataclass(frozen=True, slots=True)
class Version:
    """A trained classifier, as this process knows it."""

    name: str
    classifier: Any

    def predict(self, images: NDArray[np.float32]) -> NDArray[np.int64]:
        """One label an image."""
        return self.classifier.predict(images)

    def probabilities(self, images: NDArray[np.float32]) -> NDArray[np.float64]:
        """Ten numbers an image."""
        return self.classifier.predict_proba(images)


def trained() -> dict[str, Version]:
    """Versions by name. All answer FP32 to FP32, as a tree or a naive Bayes would not: another data type is a
    mismatch whatever the values.
    """
    digits = load_digits()
    images, labels = digits.data[:TRAINED_ON].astype(np.float32), digits.target[:TRAINED_ON]
    wrong = np.where(np.arange(TRAINED_ON) % 3 == 0, 9 - labels, labels)
    return {
        "v1": Version("v1", LogisticRegression(max_iter=2000).fit(images, labels)),
        "v2": Version("v2", make_pipeline(StandardScaler(), LogisticRegression(C=0.01)).fit(images, labels)),
        "v3": Version("v3", LogisticRegression(C=0.001, max_iter=500).fit(images, wrong)),
    }


def held_out() -> NDArray[np.float32]:
    """The images that no version was trained on."""
    return load_digits().data[TRAINED_ON:].astype(np.float32)


def write_folder(version: Version, folder: pathlib.Path) -> None:
    """What `mlserver start` takes."""
    for model, implementation in (
        (MODEL, "mlserver_sklearn.SKLearnModel"),
        (STREAMING_MODEL, "runtime.Streaming"),
    ):
        own = folder / model
        own.mkdir(parents=True)
        joblib.dump(version.classifier, own / "model.joblib")
        (own / "runtime.py").write_text(_RUNTIME)
        settings = {
            "name": model,
            "implementation": implementation,
            "parameters": {"uri": "./model.joblib", "version": version.name},
            "inputs": [{"name": "images", "datatype": "FP32", "shape": [-1, 64]}],
        }
        (own / "model-settings.json").write_text(json.dumps(settings))

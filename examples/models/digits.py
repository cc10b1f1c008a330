"""The models: trained at start on the digits that ship with scikit-learn (1797 images of 8 × 8 pixels).

v1 is a plain one, v2 a better one, v3 one that was trained wrongly (most labels shuffled) and is also slow.
The images that traffic sends are held out of all training.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

PIXELS = 64
VERSIONS = {"v1": "1.0.0", "v2": "2.0.0", "v3": "3.0.0"}
_SEED = 2026
_SLOW_SECONDS = 0.06


@dataclass(frozen=True, slots=True)
class Digits:
    """Images (one row of 64 pixels each) and what they show."""

    images: NDArray[np.float64]
    labels: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Prediction:
    """The most likely digit, and how likely each of the ten is."""

    label: int
    probabilities: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Model:
    """A trained classifier; every prediction takes `delay` seconds longer than it has to."""

    name: str
    version: str
    delay: float
    classifier: Any

    def predict(self, image: NDArray[np.float64]) -> Prediction:
        """Classify one image of 64 pixels."""
        probabilities = self.classifier.predict_proba(image.reshape(1, PIXELS))[0]
        return Prediction(int(np.argmax(probabilities)), probabilities)


def split() -> tuple[Digits, Digits]:
    """The digits to train on, and those held out; always the same."""
    digits = load_digits()
    train_x, held_x, train_y, held_y = train_test_split(
        digits.data, digits.target, test_size=0.3, random_state=_SEED, stratify=digits.target
    )
    return Digits(train_x, train_y), Digits(held_x, held_y)


def train(name: str) -> Model:
    """Train one of the three."""
    data, _ = split()
    labels = data.labels
    if name == "v1":
        classifier: Any = GaussianNB(var_smoothing=1e-3)
    else:
        classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    if name == "v3":
        random = np.random.default_rng(_SEED)
        wrong = random.random(len(labels)) < 0.9
        labels = labels.copy()
        labels[wrong] = random.permutation(labels[wrong])
    classifier.fit(data.images, labels)
    return Model(name, VERSIONS[name], _SLOW_SECONDS if name == "v3" else 0.0, classifier)


def accuracy(model: Model, digits: Digits) -> float:
    """The share of images that the model gets right."""
    right = sum(
        model.predict(image).label == label for image, label in zip(digits.images, digits.labels, strict=True)
    )
    return float(right) / len(digits.labels)

"""Three classifiers of handwritten digits, trained when they are started, and the words they speak."""

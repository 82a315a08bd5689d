"""Train a model with Cellpose 3 from scratch; runs in the environment of that name.

Usage: train_cellpose3.py SAMPLES.npz FOLDER
Writes FOLDER/models/small.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from cellpose import models, train

SEED = 7
EPOCHS = 30
SIDE = 96  # px of a sample; smaller is faster, and larger than the nuclei by far


def main(samples: Path, folder: Path) -> None:
    np.random.seed(SEED)  # noqa: NPY002 - Cellpose draws from the old generator
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    arrays = np.load(samples)
    model = models.CellposeModel(gpu=False, diam_mean=17.0)
    train.train_seg(
        model.net,
        train_data=list(arrays["images"]),
        train_labels=list(arrays["labels"]),
        channels=[0, 0],
        n_epochs=EPOCHS,
        learning_rate=0.005,
        batch_size=4,
        nimg_per_epoch=24,
        min_train_masks=1,
        bsize=SIDE,
        save_path=folder,
        model_name="small",
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

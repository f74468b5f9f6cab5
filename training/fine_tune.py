"""Fine-tuning a YOLO11 segmenter on people only. Needs torch and Ultralytics."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx
import torch
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import nn
from torch.utils.data import Sampler
from ultralytics.data.build import InfiniteDataLoader, seed_worker
from ultralytics.models.yolo.segment import SegmentationTrainer
from ultralytics.nn.tasks import SegmentationModel, torch_safe_load
from ultralytics.utils.loss import v8SegmentationLoss
from ultralytics.utils.ops import crop_mask

from training.dataset import read_manifest
from training.errors import CheckpointError
from training.export.checkpoint import read_checkpoint
from training.recipe import FineTuningSettings
from training.sources.base import resolve

Array = NDArray[Any]

_BESIDE = 5  # pixels of the prototypes, a quarter of the input's: a band of 8 input pixels


class TouchingPeopleLoss(v8SegmentationLoss):  # type: ignore[misc]  # untyped
    """Ultralytics' loss, in which pixels of other people and those beside them weigh more.

    What tells two people apart are few pixels, which in a mean over the whole silhouette
    hardly count: U-Net weighs those between touching cells alike (Ronneberger et al. 2015).

    Args:
        model: the network that is trained.
        extra: weight of a contested pixel beyond the 1 that each has.
    """

    def __init__(self, model: nn.Module, extra: float) -> None:
        super().__init__(model)
        self._extra = extra

    def calculate_segmentation_loss(
        self,
        fg_mask: Any,
        masks: Any,
        target_gt_idx: Any,
        target_bboxes: Any,
        batch_idx: Any,
        proto: Any,
        pred_masks: Any,
        imgsz: Any,
    ) -> Any:
        """Of each anchor's silhouette the weighted cross entropy within its person's box.

        Args:
            fg_mask: bool [B, A], anchors that answer for a person.
            masks: [B, h, w], whose pixel it is from 1, 0 nobody's.
            target_gt_idx: [B, A], the person, from 0; target_bboxes: [B, A, 4] in input pixels.
            proto: [B, n, h, w]; pred_masks: [B, A, n]; imgsz: [2] height, width in pixels.
        """
        height, width = proto.shape[2:]
        sides = imgsz[[1, 0, 1, 0]]
        on_grid = torch.tensor([width, height, width, height], device=proto.device)
        total = proto.sum() * 0
        for one, ids in enumerate(masks):
            chosen = fg_mask[one]
            if not chosen.any():
                continue
            boxes = target_bboxes[one, chosen] / sides
            areas = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)
            people, person = target_gt_idx[one, chosen].unique(return_inverse=True)
            own = ids == (people + 1).view(-1, 1, 1)
            others = ((ids > 0) & ~own).float()
            beside = nn.functional.max_pool2d(others[:, None], _BESIDE, 1, _BESIDE // 2)[:, 0]
            logits = torch.einsum("in,nhw->ihw", pred_masks[one, chosen], proto[one])
            entropy = nn.functional.binary_cross_entropy_with_logits(
                logits,
                own.float()[person],
                weight=(1 + self._extra * beside)[person],
                reduction="none",
            )
            total = total + (crop_mask(entropy, boxes * on_grid).mean(dim=(1, 2)) / areas).sum()
        return total / fg_mask.sum()


class RectangularOrder(Sampler[int]):  # type: ignore[misc]  # without torch it is Any
    """Pictures such that each batch is of one shape, in an order that is new in each epoch.

    Ultralytics trains on rectangles only in a fixed order.

    Args:
        shapes: [N, 2] height, width that each picture is letterboxed to.
        repeats: [N] how often each picture is seen in an epoch.
        batch: pictures in a batch; a shape's last batch is filled up with pictures seen twice.
    """

    def __init__(self, shapes: Array, repeats: Array, batch: int, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._batch = batch
        _, kinds = np.unique(shapes, axis=0, return_inverse=True)
        pictures = np.repeat(np.arange(len(shapes)), repeats)
        of_kind = kinds.ravel()[pictures]
        self._groups = [pictures[of_kind == kind] for kind in range(kinds.max() + 1)]

    def __len__(self) -> int:
        return sum(-(-len(group) // self._batch) for group in self._groups) * self._batch

    def __iter__(self) -> Iterator[int]:
        batches = []
        for group in self._groups:
            missing = -len(group) % self._batch
            filled = np.append(self._rng.permutation(group), self._rng.choice(group, missing))
            batches.append(filled.reshape(-1, self._batch))
        yield from self._rng.permutation(np.concatenate(batches)).ravel().tolist()


class PersonTrainer(SegmentationTrainer):  # type: ignore[misc]  # untyped
    """Ultralytics' trainer, on rectangles and with BatchNorm left alone.

    The statistics of small batches of crowds would spoil what BatchNorm learnt from COCO;
    and in checkpoints whose BatchNorm was folded into the convolutions it must stay as it is.

    Attributes:
        repeats: how often a picture is seen in an epoch, by file name; once if not named.
        threads: of a training on the CPU; 0 is one a core.
        bf16: whether a CPU computes in bfloat16.
        contested: see `TouchingPeopleLoss`; 0 is Ultralytics' own.
    """

    repeats: Mapping[str, int] = MappingProxyType({})
    threads: int = 0
    bf16: bool = False
    contested: float = 0.0

    def _model_train(self) -> None:
        super()._model_train()
        if self.contested and getattr(self.model, "criterion", None) is None:
            self.model.criterion = TouchingPeopleLoss(self.model, self.contested)
        if self.device.type == "cpu":  # Ultralytics leaves a core idle
            torch.set_num_threads(self.threads or os.cpu_count() or 1)
        for module in self.model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()

    def preprocess_batch(self, batch: dict[str, Any]) -> Any:
        # Ultralytics offers bfloat16 on GPUs only. This is called inside its autocast block,
        # which puts everything back at its end.
        if self.bf16 and self.device.type == "cpu":
            torch.set_autocast_dtype("cpu", torch.bfloat16)
            torch.set_autocast_enabled("cpu", True)
        return super().preprocess_batch(batch)

    def build_dataset(self, img_path: str, mode: str = "train", batch: int | None = None) -> Any:
        self.args.rect = True
        return super().build_dataset(img_path, mode, batch)

    def get_dataloader(
        self, dataset_path: str, batch_size: int = 16, rank: int = 0, mode: str = "train"
    ) -> Any:
        if mode != "train" or rank != -1:
            return super().get_dataloader(dataset_path, batch_size, rank, mode)
        dataset = self.build_dataset(dataset_path, mode, batch_size)
        shapes = dataset.batch_shapes[dataset.batch]
        repeats = np.array([self.repeats.get(Path(file).name, 1) for file in dataset.im_files])
        workers = self.args.workers
        return InfiniteDataLoader(
            dataset=dataset,
            batch_size=batch_size,
            sampler=RectangularOrder(shapes, repeats, batch_size, self.args.seed),
            num_workers=workers,
            prefetch_factor=4 if workers else None,
            pin_memory=self.device.type == "cuda",
            collate_fn=dataset.collate_fn,
            worker_init_fn=seed_worker,
        )

    def plot_training_labels(self) -> None:
        """Of one class there is nothing to plot."""


def fine_tune(start: Path, data: Path, folder: Path, settings: FineTuningSettings) -> Path:
    """Train, and write `folder`/person-seg.pt; goes on where a training there was interrupted.

    Args:
        start: checkpoint of a YOLO11 segmenter.
        data: data.yaml of the YOLO-seg data set.
        folder: for checkpoints, plots and results.csv (the learning curves).

    Raises:
        CheckpointError: `start` is of another architecture, or damaged.
    """
    folder = folder.resolve()  # Ultralytics puts what is relative into a folder of its own
    read_checkpoint(start)  # says what is wrong with it before hours are spent
    if settings.weights is not None:
        start = carry_over(resolve(settings.weights, Path()), start, folder / "start.pt")
    last = folder / "run" / "weights" / "last.pt"
    going_on = last.is_file()
    on_gpu = torch.cuda.is_available()
    trainer = PersonTrainer(
        overrides={
            "model": str(last if going_on else start),
            "resume": str(last) if going_on else False,
            "data": str(data),
            "project": str(folder),
            "name": "run",
            "exist_ok": True,
            "epochs": settings.epochs,
            "batch": settings.batch,
            "nbs": max(16, settings.batch),
            "imgsz": settings.long_side,
            "rect": True,
            "optimizer": "AdamW",
            "lr0": settings.learning_rate,
            "lrf": 0.05,
            "cos_lr": True,
            "warmup_epochs": 0.2,
            "warmup_bias_lr": 0.0,
            "freeze": settings.frozen_layers,
            "scale": settings.scale,
            "mosaic": 0.0,
            # "amp": True would download a network to check itself with.
            "amp": "bf16" if settings.bf16 and on_gpu else False,
            "device": 0 if on_gpu else "cpu",
            "workers": settings.workers,
            "seed": settings.seed,
            "plots": True,
            "save_period": 1,  # so that the network of any epoch can be evaluated
        }
    )
    trainer.repeats = {
        Path(line.file).name: settings.repeats.get(line.source, 1)
        for line in read_manifest(data.parent)
    }
    trainer.threads, trainer.bf16 = settings.threads, settings.bf16
    trainer.contested = settings.contested
    trainer.train()
    target = folder / "person-seg.pt"
    _save(mixed(start, last, settings.keep_start), target)
    return target


def carry_over(network: Path, skeleton: Path, target: Path) -> Path:
    """Write to `target` a checkpoint with the weights of an ONNX network of the one class.

    Args:
        network: as `training.export` writes it; its BatchNorm is in its convolutions.
        skeleton: checkpoint of the same architecture.

    Raises:
        CheckpointError: the network is another one, or can't be read.
    """
    try:
        tensors = onnx.load(network).graph.initializer
    except (OSError, DecodeError) as error:
        raise CheckpointError(
            f"can't read the network {network}: {error}", "Check the recipe's `weights`."
        ) from error
    weights = {
        tensor.name.removesuffix(".half"): torch.from_numpy(numpy_helper.to_array(tensor).copy())
        for tensor in tensors
    }
    origin = _network(skeleton)
    model = SegmentationModel(origin.yaml, nc=1, verbose=False)
    model.names = {0: "person"}
    model.load(origin, verbose=False)  # the class branch is as wide as its classes were many
    for name, module in model.named_modules():
        if not isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            continue
        weight, bias = (weights.get(f"{name}.{kind}") for kind in ("weight", "bias"))
        if weight is None or weight.shape != module.weight.shape:
            raise CheckpointError(
                f"{network} has no weights of {name} as {skeleton} has them",
                "Go on from a network that was exported from this architecture.",
            )
        module.weight.data = weight.float()
        norm = getattr(model.get_submodule(name.rpartition(".")[0]), "bn", None)
        if norm is not None:  # left with no effect but its bias
            norm.running_mean.zero_()
            norm.weight.data = torch.sqrt(norm.running_var + norm.eps)
        if bias is not None:
            (norm or module).bias.data = bias.float()
    _save(model, target)
    return target


def mixed(start: Path, trained: Path, keep_start: float) -> nn.Module:
    """The trained network, its weights drawn by `keep_start` towards those it started from.

    Weights of one training's start and end can be averaged: the path between them is flat
    (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models").

    Args:
        start: checkpoint of a YOLO11 segmenter; of its classes only person counts.
        trained: what was fine-tuned from it, of the one class.
        keep_start: 0 is the trained network, 1 the start.
    """
    network, origin = _network(trained), _network(start)
    person = {name: index for index, name in origin.names.items()}["person"]
    old = origin.state_dict()
    new = network.state_dict()
    for name, value in new.items():
        before = old[name]
        if before.shape != value.shape:  # the last convolutions of the class branches
            before = before[person : person + 1]
        if value.dtype.is_floating_point:
            new[name] = (1 - keep_start) * value + keep_start * before
    network.load_state_dict(new)
    return network


def _network(path: Path) -> Any:
    content, _ = torch_safe_load(path, safe_only=True)
    return (content.get("ema") or content["model"]).float()


def _save(network: nn.Module, path: Path) -> None:
    """A checkpoint as Ultralytics writes them, appearing under its name when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    content = {"model": network, "ema": None, "date": datetime.now(UTC).isoformat()}
    torch.save(content, partial)
    os.replace(partial, path)

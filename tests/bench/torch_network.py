#!/usr/bin/env python3
"""Images/s of a network in PyTorch on this machine's CPU: the peer of `rgc bench`.

usage: torch_network.py NETWORK train|infer BATCH REPEATS
NETWORK is a model of torchvision, or one of those below that torchvision has not: cifar_resnet20, 56 and so on, seresnet50.
Prints one line, the median. channels_last; training with Adam and cross entropy, inference as frozen TorchScript.
Run it with the allocator tuned (tests/bench/compare.sh does), or most of a training step goes to page faults.
"""
import functools
import statistics
import sys
import time

import torch
import torchvision
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet


class PadShortcut(nn.Module):
    """Every second pixel, and channels of zeros on both sides: the CIFAR networks' shortcut."""

    def forward(self, x):
        more = x.shape[1] // 2
        return nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, more, more))


class SEBottleneck(Bottleneck):
    def __init__(self, *args, **named):
        super().__init__(*args, **named)
        channels = self.bn3.num_features
        self.bn3 = nn.Sequential(self.bn3, torchvision.ops.SqueezeExcitation(channels, channels // 16))


def cifar_resnet(depth):
    layers, width = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()], 16
    for stage, repeat in enumerate([(depth - 2) // 6] * 3):
        for block in range(repeat):
            down = stage > 0 and block == 0
            layers.append(BasicBlock(width, 16 << stage, 2 if down else 1, PadShortcut() if down else None))
            width = 16 << stage
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))


def make_model(name):
    """The model, its classes and the side of its images."""
    if name.startswith("cifar_resnet"):
        return cifar_resnet(int(name[len("cifar_resnet"):])), 10, 32
    own = {"seresnet50": functools.partial(ResNet, SEBottleneck, [3, 4, 6, 3])}
    return own.get(name, getattr(torchvision.models, name, None))(num_classes=1000), 1000, 224


def make_train(name, batch):
    model, classes, side = make_model(name)
    model = model.to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-9)
    x = torch.randn(batch, 3, side, side).contiguous(memory_format=torch.channels_last)
    y = torch.arange(batch) % classes

    def step():
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()

    return step


def make_infer(name, batch):
    model, _, side = make_model(name)
    model = model.eval().to(memory_format=torch.channels_last)
    x = torch.randn(batch, 3, side, side).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        frozen = torch.jit.freeze(torch.jit.trace(model, x))
        frozen = torch.jit.optimize_for_inference(frozen)

    def step():
        with torch.no_grad():
            frozen(x)

    return step


def main():
    name, kind, batch, repeats = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    torch.manual_seed(0)
    step = make_train(name, batch) if kind == "train" else make_infer(name, batch)
    for _ in range(2):
        step()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    print(f"{batch / statistics.median(times):.3f}")


main()

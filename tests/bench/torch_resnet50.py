#!/usr/bin/env python3
"""Seconds a step of torchvision's ResNet-50 on this machine's CPU: the peer of `rgc bench`.

usage: torch_resnet50.py train|infer BATCH REPEATS
Prints one line, the median images/s. channels_last; training with Adam and cross entropy, inference as frozen TorchScript.
Run it with the allocator tuned (tests/bench/compare.sh does), or most of a training step goes to page faults.
"""
import statistics
import sys
import time

import torch
import torchvision


def make_train(batch):
    model = torchvision.models.resnet50(num_classes=1000).to(memory_format=torch.channels_last)
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-9)
    x = torch.randn(batch, 3, 224, 224).contiguous(memory_format=torch.channels_last)
    y = torch.arange(batch) % 1000

    def step():
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()

    return step


def make_infer(batch):
    model = torchvision.models.resnet50(num_classes=1000).eval().to(memory_format=torch.channels_last)
    x = torch.randn(batch, 3, 224, 224).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        frozen = torch.jit.freeze(torch.jit.trace(model, x))
        frozen = torch.jit.optimize_for_inference(frozen)

    def step():
        with torch.no_grad():
            frozen(x)

    return step


def main():
    kind, batch, repeats = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    torch.manual_seed(0)
    step = make_train(batch) if kind == "train" else make_infer(batch)
    for _ in range(2):
        step()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    print(f"{batch / statistics.median(times):.3f}")


main()

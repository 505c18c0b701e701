"""ResNet-50 in PyTorch on the GPU, for tests/gpu/run.sh: images a second of training (SGD, momentum) and inference, channels_last, eager in
float32 (tf32 allowed), under bf16 autocast, or that compiled. Medians of steps timed by events. usage: torch_resnet50.py OUT.json HOW-BATCH, HOW: tf32, amp, compiled"""
import json
import sys

import torch
import torchvision

WARM, STEPS = 8, 30


def median_seconds(step, images):
    for _ in range(WARM):
        step(images)
    torch.cuda.synchronize()
    times = []
    for _ in range(STEPS):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        step(images)
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end) * 1e-3)
    return sorted(times)[len(times) // 2]


def training(model, amp, batch):
    labels = torch.randint(0, 1000, (batch,), device="cuda")
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-9, momentum=0.9)
    loss_of = torch.nn.CrossEntropyLoss()

    def step(images):
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cuda", torch.bfloat16, enabled=amp):
            loss = loss_of(model(images), labels)
        loss.backward()
        optimizer.step()

    return step


def inference(model, amp):
    def step(images):
        with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16, enabled=amp):
            model(images)

    return step


def main():
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    results = {"torch": torch.__version__, "gpu": torch.cuda.get_device_name(0), "runs": []}
    how, batch = sys.argv[2].split("-")
    batch, amp = int(batch), {"tf32": False, "amp": True, "compiled": True}[how]
    for kind in ("train", "infer"):
        torch.manual_seed(0)
        model = torchvision.models.resnet50().cuda().to(memory_format=torch.channels_last)
        model.train(kind == "train")
        run = torch.compile(model) if how == "compiled" else model
        images = torch.rand(batch, 3, 224, 224, device="cuda").to(memory_format=torch.channels_last)
        step = training(run, amp, batch) if kind == "train" else inference(run, amp)
        seconds = median_seconds(step, images)
        results["runs"].append({"name": how, "kind": kind, "batch": batch, "seconds": seconds, "images_per_second": batch / seconds})
        print("pytorch %s %s: batch %d, %.2f ms a step, %.1f images/s" % (kind, how, batch, 1e3 * seconds, batch / seconds), flush=True)
        del model, run, step
        torch.cuda.empty_cache()
    with open(sys.argv[1], "w") as out:
        json.dump(results, out, indent=1)


main()

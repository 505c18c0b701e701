"""make FILE: a random ResNet-18 of torchvision; check FILE EXPORTED: whether load_state_dict takes EXPORTED, with FILE's values."""
import json
import struct
import sys

import numpy
import torch
import torchvision

DTYPES = {"F32": numpy.float32, "I64": numpy.int64}


def read_safetensors(path):
    data = open(path, "rb").read()
    begin = 8 + struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:begin])
    header.pop("__metadata__")
    return {name: torch.from_numpy(numpy.frombuffer(data[begin + t["data_offsets"][0]:begin + t["data_offsets"][1]],
                                                    DTYPES[t["dtype"]]).reshape(t["shape"]).copy()) for name, t in header.items()}


model = torchvision.models.resnet18()
if sys.argv[1] == "make":
    torch.save(model.state_dict(), sys.argv[2])
else:
    wanted, found = torch.load(sys.argv[2]), read_safetensors(sys.argv[3])
    model.load_state_dict(found, strict=True)
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)

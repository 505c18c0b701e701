"""MODEL.onnx BATCH INPUT.npy NAME=OUTPUT.npy...: whether the first BATCH images [n,h,w,c] give the outputs [n,1,1,c], to 1e-4 of the largest, by ONNX
Runtime or by onnx's own reference; and whether onnx's checker finds the model right. Exit code 3: there is nothing to run it with."""
import sys

import numpy

path, batch, images = sys.argv[1], int(sys.argv[2]), numpy.load(sys.argv[3])
images = numpy.ascontiguousarray(images[:batch].transpose(0, 3, 1, 2))
wanted = {name: numpy.load(file)[:batch, 0, 0] for name, file in (pair.split("=") for pair in sys.argv[4:])}
try:
    import onnx
    onnx.checker.check_model(onnx.load(path), full_check=True)
except ImportError:
    print("SKIPPED: python3-onnx is not installed, so its checker did not see", path)
try:
    import onnxruntime
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    run = session.run
except ImportError:
    try:
        from onnx.reference import ReferenceEvaluator  # onnx 1.13 and later
        run = ReferenceEvaluator(path).run
    except ImportError:
        sys.exit(3)
for name, found in zip(wanted, run(list(wanted), {"input": images})):
    assert found.shape == wanted[name].shape, (name, found.shape, wanted[name].shape)
    error = abs(found - wanted[name]).max() / abs(wanted[name]).max()
    assert error < 1e-4, (path, name, batch, error)

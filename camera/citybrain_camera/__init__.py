"""Video in, observations out: what a mast camera sees of the lanes that it is calibrated for.

A plant's sense, beside the simulator: may import the brain and its intake; alone knows OpenCV and onnxruntime (extra
``camera``). Pictures stay here: nothing but lanes, distances, speeds and confidences leaves.
"""

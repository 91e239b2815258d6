"""Training: networks, losses, samples, the loop, checkpoints, export. Only here is torch imported."""

import os

# The threads of torch's CPU kernels wait for each other by spinning. On a machine that does anything else
# beside training, a farm machine or an artist's, every wait then lasts a time slice: an iteration that takes
# 0.4 s took 10 s beside one busy process, and 0.95 s when the threads sleep instead. Read once, by the first
# import of torch.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

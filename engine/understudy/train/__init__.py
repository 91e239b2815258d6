"""Training: networks, losses, samples, the loop, checkpoints, export. Only here is torch imported."""

import os

# The threads of torch's CPU kernels (GNU OpenMP) wait for each other by spinning, on most machines for as
# long as it takes. On a machine that does anything else beside training every wait then lasts a time slice:
# an iteration that takes 0.25 s took 10 s beside one busy process on two cores. Sleeping at once cures that,
# at 0.39 s on a quiet machine; spinning this often before sleeping gives 0.25 s quiet and 1.0 s busy. Read
# once, by the first import of torch; whoever sets either variable knows better.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")

"""Fine detail of the new face from the performer's own frames: which faces, how they fit, what is taken."""

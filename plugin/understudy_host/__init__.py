"""What every host's half of Understudy shares: knobs from the job table, jobs, and the engine's process.

Standard library only, and Python 3.9: it runs inside the host's own interpreter.
"""

"""placeholder"""
def is_ready(settings): return False

"""Aligned crops of digital performers with props, and the coverage of every region: what region mattes learn from."""

"""Aligned crops of digital performers with props, and the coverage of every region."""

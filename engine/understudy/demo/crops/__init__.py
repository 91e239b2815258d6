"""Aligned crops of digital performers with props, and the matte of every region."""

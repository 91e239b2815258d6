"""Faces: finding them, their landmarks, where their crops lie, following them, and storing them."""

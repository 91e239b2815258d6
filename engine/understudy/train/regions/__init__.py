"""Region mattes: the network that says for each pixel of an aligned face what it shows, and how it learns."""

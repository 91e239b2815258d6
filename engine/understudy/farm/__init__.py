"""Work for a render farm."""

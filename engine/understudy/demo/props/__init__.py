"""Props: things in front of a digital performer's face and on it, with exact mattes."""

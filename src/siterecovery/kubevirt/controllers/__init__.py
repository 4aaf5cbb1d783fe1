"""What makes the world as the objects say: one folder per kind."""

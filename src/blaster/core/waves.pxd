"""Many runs moved at once, in row order."""

"""Many runs moved at once, part by part."""

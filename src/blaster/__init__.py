"""blaster: a sending engine. The public names, loaded on first use."""

"""Who is due and goes on: found, sent off and counted in one pass over each batch."""

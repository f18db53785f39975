"""Takes a model away: other formats of its weights, made and spoken with in processes of their own."""

"""The prompts of the generator's roles, one text file each."""

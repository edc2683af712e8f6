"""The three roles of a memory agent: what each is shown, and how its reply is read."""

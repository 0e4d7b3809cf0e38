"""How many images of a subset will be on disk: rates of an earlier download, by domain and age, with an interval."""

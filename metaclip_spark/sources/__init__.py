"""Find the input files of a command: folders, globs, lists of paths, crawls."""

"""The cost of a curation: core time, bytes, requests and money of every stage, from measured rates."""

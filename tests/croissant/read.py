"""Validate a description with mlcroissant, and print the records of its record sets as JSON.

It runs in an environment of its own: `python read.py EXPORT/_croissant.json`.
"""

import json
import sys

import mlcroissant as mlc


def plain(value: object) -> object:
    """Return a value of a record as JSON has it: mlcroissant gives texts as bytes, and arrays of numpy."""
    if isinstance(value, bytes):
        return value.decode()
    return [plain(one) for one in value] if isinstance(value, list) else value


dataset = mlc.Dataset(sys.argv[1])
issues = dataset.metadata.ctx.issues
records = {
    of.id: [{name: plain(value) for name, value in record.items()} for record in dataset.records(of.id)]
    for of in dataset.metadata.record_sets
}
print(json.dumps({"errors": sorted(issues.errors), "warnings": sorted(issues.warnings), "records": records}))

"""The rules of worldwide mode for one entry and one text: the edge rule, and the switches."""

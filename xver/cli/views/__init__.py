"""Values of the library as people and scripts see them: entries, versions, runs, lineage; in words and in JSON.

Knows what each value is called on the screen and which keys JSON has. Prints through `Output`, and changes nothing:
what is shown beside a value (which commit holds it) is looked up, never computed anew.
"""

"""The program `oddsmith`: one command for everything that people ask of the system.

* `commands`: the tree of commands; each is declared once, in the `commands.py` of the package that does the work.
* `__main__`: what is typed is parsed, checked and dispatched; nothing heavy is imported before.
* `parameters`, `live`, `answers`, `completion`: the few commands that belong to no package below.
"""

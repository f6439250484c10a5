"""The account in the live process: gateway, accounting, order execution, and the journal that they are rebuilt from."""

"""The guide's four model stacks, each trained and judged on the same data in a folder of its own."""

"""The rows of an event, made from its raw bars, headlines and reference prices: featurize writes them, the gate makes
them again without their future."""

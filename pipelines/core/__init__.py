"""What every layer may know: domain objects, money on integers, typed parameters, errors."""

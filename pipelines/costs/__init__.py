"""What running this costs, and what it has to earn before it earns anything."""

"""Pure code: from venue bytes to a decision, and the DVC stages that train what decides."""

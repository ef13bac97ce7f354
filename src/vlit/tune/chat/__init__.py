"""From a dialogue to ids and labels, turn by turn, along the model's chat template."""

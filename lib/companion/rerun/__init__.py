"""The pages run again by nbval: their present cells beside the stored outputs, numbers and verdicts."""

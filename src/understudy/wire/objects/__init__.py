"""The objects of the v2 wire, their fields in the order of the recorded traffic (GEN-05)."""

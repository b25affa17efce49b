"""The operator's surroundings on one machine: control plane, cloud and operator as processes, for demo and tests."""

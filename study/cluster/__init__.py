"""Ray, on this machine or on a cluster, and what may befall it; files that make clusters."""

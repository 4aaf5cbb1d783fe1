"""A little world in which the workflow core is tried: virtual time, engines that die and freeze, and promises that are checked."""

"""`sandbox kubernetes demo`: the documented scenarios and a lost cluster, told to a newcomer and compared with machines and disks."""

"""`sandbox demo`: a disaster survived, told to a newcomer, with every claim compared against the pretend world itself."""

"""One rule a file: each is asked of a `Picture` and answers with sentences that name the thing and what is wrong with it."""

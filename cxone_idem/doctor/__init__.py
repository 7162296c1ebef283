"""What is wrong with a deployed pipeline: facts read with the SDK, checks that know no SDK."""

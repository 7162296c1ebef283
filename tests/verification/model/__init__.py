"""An exhaustive check of the claim protocol: the real code, under a scheduler that owns every step.

Nothing of the protocol is written down here a second time. Each worker runs the library against a
store whose every answer the scheduler decides; the search visits every state that can come about
within a world's budgets, breadth first, so that what breaks an invariant is a shortest story.
"""

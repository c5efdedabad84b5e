"""Does BERT help handwriting recognition? The hypothesis, tested on what two recognisers read.

A recogniser that reads well and one that reads badly, each with the same arms: no correction, other
language models from the same text, and BERT in several places. `plan` fixes arms and questions
before the test lines are touched.
"""

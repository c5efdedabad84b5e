"""The study of Ma (2023) done again, and what it left for later, on the words of IAM.

In: IAM's word images. Out: trained networks, a JSON of error rates for each, a table, comparisons
with intervals, the paper's figures, and a report in plain words. `study` says what is trained,
`words` on what, `training` how, `comparison` what the numbers say; `reproduction` does it all.

Ma, "A Study on a Hybrid CNN-RNN Model for Handwritten Recognition Based on Deep Learning", DAML
2023, pp. 268-273, https://doi.org/10.5220/0012801000003885
"""

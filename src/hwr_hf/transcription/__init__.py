"""Text of any number of images: from a source, part by part, to a folder of rows.

    source -> parts of consecutive images -> rows of text -> one file a part

`sources` finds the images, `reading` turns images to rows, `parts` keeps the output folder, `job`
puts them together in one process and `ray_engine` on many machines.
"""

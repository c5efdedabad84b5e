"""How fast this package reads on a machine, where the time goes, and what others need.

`lines` draws or loads the images, `readers` are what reads them, `measurement` times one reader
in a process of its own, `network_profile` takes the default model apart, `speed_report` puts all
into one report and its picture.
"""

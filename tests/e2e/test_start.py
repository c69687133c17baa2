"""Starting and not starting: what goes wrong in a terminal is one line that says what to do."""

from __future__ import annotations

import json
import subprocess
from urllib.parse import urlsplit

import pytest

from tests.fixtures_product import Process, Product, new_folder, run_fte

pytestmark = [pytest.mark.slow, pytest.mark.real]


def assert_one_clear_line(done: subprocess.CompletedProcess[str], words: str) -> None:
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith("fte: ")
    assert words in line


def test_a_customer_cannot_be_simulated_where_nothing_runs():
    folder = new_folder("nothing")
    done = run_fte("simulate", "web", "Hello?", "--data-dir", str(folder), cwd=folder)
    assert_one_clear_line(done, "start `fte up` in another terminal")


def test_a_customer_who_finds_the_addresses_of_a_killed_product_is_told():
    folder = new_folder("killed")
    (folder / "demo.json").write_text(json.dumps(dict.fromkeys(("api", "gmail", "twilio"), "http://127.0.0.1:9")))
    done = run_fte("simulate", "mail", "Hello?", "--data-dir", str(folder), cwd=folder)
    assert_one_clear_line(done, "Nothing answers")


def test_a_taken_port_is_named(product: Product):
    folder = new_folder("port")
    port = str(urlsplit(product.base).port)
    done = run_fte("up", "--port", port, "--data-dir", str(folder), cwd=folder)
    assert_one_clear_line(done, f"Port {port} on 127.0.0.1 is not free")
    assert not (folder / "postgres").exists(), "nothing was made"


def test_a_second_product_on_the_same_data_is_refused(product: Product):
    done = run_fte("up", "--port", "0", "--data-dir", str(product.data_dir), cwd=product.data_dir.parent)
    assert_one_clear_line(done, f"Another `fte up` works on {product.data_dir}")
    product.until_replied(product.submit())


def test_ctrl_c_during_the_start_leaves_nothing_behind():
    folder = new_folder("hasty")
    started = Process("up", "--port", "0", "--data-dir", str(folder), cwd=folder, ready="Starting;")
    assert started.interrupt() == 130
    assert "Traceback" not in started.log()
    assert not (folder / "postgres" / "cluster" / "postmaster.pid").exists()


def test_a_wrong_setting_is_named():
    folder = new_folder("setting")
    done = run_fte("up", cwd=folder, FTE_PORT="eighty")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "port" in done.stderr

from pathlib import Path

import pytest

from channels.whatsapp.template import Template, fill
from core.errors import ConfigurationError
from core.settings import load_settings

TEMPLATE = Template("HX1", "Our answer: {{1}} Bye.")


def test_an_answer_stands_in_one_line_as_a_variable_must():
    filled = fill(TEMPLATE, "1. Open Settings\n\n2.\tSave     it")
    assert filled is not None
    assert filled.text == "Our answer: 1. Open Settings 2. Save it Bye."
    assert filled.progress == {"template": {"sid": "HX1", "variables": {"1": "1. Open Settings 2. Save it"}}}


def test_what_does_not_fit_is_not_cut():
    assert fill(TEMPLATE, "x" * (1024 - len("Our answer:  Bye."))) is not None
    assert fill(TEMPLATE, "x" * (1025 - len("Our answer:  Bye."))) is None
    assert fill(TEMPLATE, "😀" * 505) is None


@pytest.mark.parametrize(
    ("sid", "text"), [("HX1", None), (None, "Hi {{1}}"), ("HX1", "Hi"), ("HX1", "Hi {{2}}"), ("HX1", "{{1}} {{2}}")]
)
def test_half_a_template_stops_the_start(sid, text, tmp_path: Path):
    with pytest.raises(ConfigurationError, match="FTE_TWILIO_TEMPLATE"):
        load_settings(_env_file=None, data_dir=tmp_path, twilio_template_sid=sid, twilio_template_text=text)

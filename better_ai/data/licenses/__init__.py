"""Licences: expressions in the SPDX form, and what a text says about its own licence."""

from better_ai.data.licenses.expression import UNKNOWN_LICENSE, ExpressionError, allows, parse_expression
from better_ai.data.licenses.recognise import Licensed, detect_license, license_of_file, license_of_name

__all__ = [
    "UNKNOWN_LICENSE",
    "ExpressionError",
    "Licensed",
    "allows",
    "detect_license",
    "license_of_file",
    "license_of_name",
    "parse_expression",
]

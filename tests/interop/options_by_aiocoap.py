# SPDX-License-Identifier: Apache-2.0
"""For test_options.py, in the environment that has aiocoap: what options_dump.c does, by aiocoap's decoder. Values come
as aiocoap encodes them again, a number with its "u" in front."""
import sys

from aiocoap.error import UnparsableMessage
from aiocoap.options import Options
from aiocoap.optiontypes import BlockOption, ContentFormatOption, UintOption

for line in sys.stdin:
    options = Options()
    try:
        payload = options.decode(bytes.fromhex(line))
    except UnparsableMessage:
        print("format error")
        continue
    except UnicodeDecodeError:
        print("not UTF-8")
        continue
    shown = []
    for option in options.option_list():
        kind = "u" if isinstance(option, (UintOption, BlockOption, ContentFormatOption)) else ""
        shown.append(f"{int(option.number)}:{kind}{option.encode().hex()} ")
    print("".join(shown) + "-> " + payload.hex())

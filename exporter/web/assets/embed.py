#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a C header of the pages' files: styles, and the page that asks with all that it needs inside.

usage: embed.py OUTPUT FOLDER

A page's Content-Security-Policy allows its own style and script by their hashes and nothing else.
"""
import base64
import hashlib
import os
import sys


def digest(text):
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def policy(style, script):
    allowed = f"; script-src {digest(script)}; connect-src 'self'; form-action 'self'" if script else ""
    return (f"default-src 'none'; style-src {digest(style)}; img-src data:{allowed}; base-uri 'none'; "
            "frame-ancestors 'none'")


def array(name, text):
    data = text.encode("ascii")
    lines = [", ".join(str(byte) for byte in data[i:i + 24]) for i in range(0, len(data), 24)]
    return f"static const char {name}[] = {{\n    " + ",\n    ".join(lines) + ",\n};\n"


def main():
    output, folder = sys.argv[1:]

    def read(*names):
        parts = []
        for name in names:
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                parts.append(file.read())
        return "".join(parts)

    status_style = "\n" + read("base.css", "status.css")
    style = "\n" + read("base.css", "query.css")
    script = '\n"use strict";\n' + read("graph.js", "query.js")
    assert "</" not in style + script, "it would end its element"
    page = read("query.html").replace("@STYLE@", style).replace("@SCRIPT@", script)
    with open(output, "w", encoding="ascii") as file:
        file.write("/* Made from exporter/web/assets by embed.py. */\n#pragma once\n\n")
        file.write(array("asset_status_style", status_style))
        file.write(f'#define ASSET_STATUS_POLICY "{policy(status_style, None)}"\n')
        file.write(array("asset_query_page", page))
        file.write(f'#define ASSET_QUERY_POLICY "{policy(style, script)}"\n')
        file.write(f'#define ASSET_QUERY_ETAG "\\"{hashlib.sha256(page.encode()).hexdigest()[:16]}\\""\n')


main()

# SPDX-License-Identifier: BSD-2-Clause
"""Sphinx's settings for the pages that Tools/site/build.py lays out."""
import os

project = "vionet"
version = release = os.environ["VIONET_VERSION"]
html_show_copyright = False
extensions = ["myst_parser"]
myst_heading_anchors = 4
root_doc = "index"
html_theme = "alabaster"
html_theme_options = {"description": "virtio-net devices from user space", "fixed_sidebar": True, "page_width": "1100px"}
html_sidebars = {"**": ["about.html", "navigation.html", "searchbox.html"]}
html_copy_source = html_show_sourcelink = False
highlight_language = "none"
suppress_warnings = ["misc.highlighting_failure"]

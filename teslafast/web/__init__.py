"""The live page: plain HTML, CSS and ES modules, as they are sent. `page.py` serves them; nothing here is Python."""

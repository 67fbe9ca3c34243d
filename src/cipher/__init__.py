"""Cipher: persistent chat sessions behind one server and one page.

The package root owns the version and nothing else, so that `import cipher` stays cheap: the model
library, the web framework and the database driver are imported where they are started.
"""

__version__ = "0.1.0"

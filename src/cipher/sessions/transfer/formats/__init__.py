"""One module a format, and the neutral shape between the foreign ones and our nouns.

`document` is our own lossless format, read and written; `openai` is read and written too;
`sharegpt` and `chatgpt` are read; `markdown` is written. `conversation` is what the foreign ones
share. Nothing here does I/O.
"""

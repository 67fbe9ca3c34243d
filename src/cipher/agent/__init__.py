"""The agent: turns, the prompt they send, and the language models behind them."""

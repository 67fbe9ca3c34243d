"""Turns a conversation into the request that any provider accepts.

Owns the mapping from our messages to pydantic-ai's, and the rules that differ between them: roles
alternate and the user begins; every tool call is followed by its result, a made-up one if the real
one is missing, because one call without a result makes all later requests fail; text is never
blank; what was said to the system stands once, in front. Reasoning stays out: providers want their
own signed form of it back or none.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    ModelResponsePart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from cipher import model

NO_RESULT = "The tool was interrupted before it gave a result."
EARLIER = "(The beginning of this conversation is left out.)"


def request_messages(history: Sequence[model.Message], system_prompt: str) -> list[ModelMessage]:
    """The conversation as pydantic-ai messages, ending with the user's last words."""
    prompt = _Prompt()
    instructions = [system_prompt]
    for message in history:
        if message.role == "system":
            instructions.append(message.content)
        else:
            prompt.add(message)
    return prompt.finish("\n\n".join(text for text in instructions if text.strip()))


class _Prompt:
    """The messages so far, and the tool calls among them that wait for a result."""

    def __init__(self) -> None:
        self._messages: list[ModelMessage] = []
        self._open_calls: dict[str, str] = {}

    def add(self, message: model.Message) -> None:
        for part in message.parts:
            match part:
                case model.ToolCallPart():
                    self._call(part)
                case model.ToolResultPart():
                    self._result(part)
                case model.TextPart() if part.text.strip():
                    self._close_calls()
                    if message.role == "user":
                        self._request(UserPromptPart(part.text, timestamp=message.timestamp))
                    else:
                        self._say(part.text)
                case _:
                    pass

    def finish(self, instructions: str) -> list[ModelMessage]:
        self._close_calls()
        if not self._messages or isinstance(self._messages[-1], ModelResponse):
            # A user message without a visible character still wants an answer.
            self._request(UserPromptPart("(no text)"))
        if isinstance(self._messages[0], ModelResponse):
            self._messages.insert(0, ModelRequest([UserPromptPart(EARLIER)]))
        last = self._messages[-1]
        if isinstance(last, ModelRequest):
            last.instructions = instructions or None
        return self._messages

    def _say(self, text: str) -> None:
        """Adds to the assistant's message; two in a row, such as two attempts, become one."""
        last = self._messages[-1] if self._messages else None
        if isinstance(last, ModelResponse) and last.parts and isinstance(last.parts[-1], TextPart):
            said = last.parts[-1].content
            last.parts = [*last.parts[:-1], TextPart(f"{said}\n\n{text}")]
        else:
            self._respond(TextPart(text))

    def _call(self, part: model.ToolCallPart) -> None:
        if self._messages and isinstance(self._messages[-1], ModelRequest):
            # Calls made together are answered together: what is open here got no result in time.
            self._close_calls()
        self._open_calls[part.call_id] = part.name
        self._respond(ToolCallPart(part.name, part.args, tool_call_id=part.call_id))

    def _result(self, part: model.ToolResultPart) -> None:
        # A result that no call asked for is one that providers refuse the whole request for.
        name = self._open_calls.pop(part.call_id, None)
        if name is not None:
            self._request(ToolReturnPart(name, part.result, tool_call_id=part.call_id))

    def _close_calls(self) -> None:
        for call_id, name in self._open_calls.items():
            self._request(ToolReturnPart(name, NO_RESULT, tool_call_id=call_id))
        self._open_calls.clear()

    def _request(self, part: ModelRequestPart) -> None:
        last = self._messages[-1] if self._messages else None
        if isinstance(last, ModelRequest):
            last.parts = [*last.parts, part]
        else:
            self._messages.append(ModelRequest([part]))

    def _respond(self, part: ModelResponsePart) -> None:
        last = self._messages[-1] if self._messages else None
        if isinstance(last, ModelResponse):
            last.parts = [*last.parts, part]
        else:
            self._messages.append(ModelResponse([part]))

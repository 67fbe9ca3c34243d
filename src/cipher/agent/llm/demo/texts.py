"""The texts of the demonstration: about this program, and in every form that the page renders."""

from __future__ import annotations

GREETINGS = (
    "Hello! I am the demonstration that answers while no language model is set.",
    "Hi there. You are talking to the built-in demonstration, not to a language model.",
    "Good to see you. No language model is set yet, so the demonstration answers.",
)

TRY_NEXT = (
    "Ask me for `code`, a `table`, `math`, a `list`, `markdown` for all of them, or something "
    "`long`. For a real model set `LLM_MODEL` and a key, and start again."
)

OPENINGS = (
    "No language model is set, so this is a prepared answer. What reached me is this:",
    "I am the built-in demonstration: I can not think, but I did receive your message.",
    "This answer comes from the demonstration, token by token like a real one. You wrote:",
)

HOW_TO_GET_A_MODEL = """\
---

*This is a demonstration, not a language model.* For real answers set one and start again:

```bash
export LLM_MODEL=anthropic:claude-sonnet-5-5   # or openai:…, google:…, ollama:…
export LLM_API_KEY=…                           # or the provider's own variable
```

An endpoint of your own works too: `LLM_BASE_URL=http://localhost:8080/v1` with the name of its \
model in `LLM_MODEL`."""

PLAIN = (
    """\
I can not answer that, but the program around me is real. Your message was on disk before I \
began to speak, and this answer goes on even if you close the tab: open it again and you find \
all of it.

Some things to try:

- Reload the page while I am still writing.
- Stop the answer with the button, then use **Retry**.
- Open a second tab on the same conversation and watch both.
- Ask for something `long` and kill the server in the middle of it.""",
    """\
A real model would have something to say about this; I only know the house that I live in. Every \
conversation is a log of messages that is only ever appended to, so nothing that was \
acknowledged is lost, whatever happens to the server.

1. A message is stored, then acknowledged, then answered.
2. An answer is checkpointed while it streams.
3. If the server dies, what was kept of the answer is marked as interrupted, and **Retry** asks \
again.

Ask for `markdown` to see how answers are rendered.""",
    """\
There is no language model behind this answer, so take it as a test of everything else: the \
stream that you are watching, the history that I quoted, and the panel that shows this \
conversation with its title and count.

Words that I understand: **code**, **table**, **math**, **list**, **markdown**, **long**, \
**think**.""",
)

CODE = {
    "python": """\
### Python

```python
from collections.abc import Iterator


def windows(items: list[int], size: int) -> Iterator[list[int]]:
    \"\"\"Every run of `size` neighbours, from left to right.\"\"\"
    for start in range(len(items) - size + 1):
        yield items[start : start + size]


for window in windows([3, 1, 4, 1, 5, 9], 3):
    print(window, sum(window) / 3)
```

The generator holds one window at a time, so the list may be as long as you like.""",
    "typescript": """\
### TypeScript

```typescript
type Reply = { success: true; data: unknown } | { success: false; error: { message: string } };

export async function load(sessionId: string): Promise<unknown> {
  const response = await fetch(`/api/sessions/${encodeURIComponent(sessionId)}/load`, {
    method: "POST",
  });
  const reply = (await response.json()) as Reply;
  if (!reply.success) throw new Error(reply.error.message);
  return reply.data;
}
```

The union makes the compiler insist on looking at `success` first.""",
    "sql": """\
### SQL

```sql
SELECT s.id,
       s.title,
       count(m.seq)     AS messages,
       max(m.timestamp) AS last_activity
FROM sessions AS s
LEFT JOIN messages AS m ON m.session_id = s.id
GROUP BY s.id
ORDER BY last_activity DESC
LIMIT 20;
```

The left join keeps a conversation that has no message yet.""",
    "bash": """\
### Shell

```bash
#!/usr/bin/env bash
set -euo pipefail

api=http://localhost:3001/api/sessions
id=$(curl -fsS -X POST "$api" -H 'Content-Type: application/json' -d '{}' | jq -r .data.session.id)
curl -fsS "$api/$id/history" | jq '.data.count'
```

`set -euo pipefail` stops the script at the first thing that goes wrong.""",
}

TABLES = (
    """\
| What happens | What is kept | What you see |
|:---|:---|---:|
| The tab is closed | everything | the answer goes on |
| The server is killed | all acknowledged messages | *interrupted*, with Retry |
| The disk is full | what was stored before | a clear error |
| The model fails | your message | **failed**, with Retry |""",
    """\
| Provider | `LLM_MODEL` | Key |
|:---|:---|:---|
| Anthropic | `anthropic:claude-sonnet-5-5` | `ANTHROPIC_API_KEY` |
| Google | `google:gemini-3.8-flash` | `GOOGLE_API_KEY` |
| OpenAI | `openai:gpt-6.1-terra` | `OPENAI_API_KEY` |
| Ollama | `ollama:llama3.2` | none |
| any endpoint | its name, with `LLM_BASE_URL` | `LLM_API_KEY` |""",
)

MATH = (
    r"""The mean of $n$ answers is $\bar{x} = \frac{1}{n}\sum_{i=1}^{n} x_i$; they scatter by

$$
s = \sqrt{\frac{1}{n-1}\sum_{i=1}^{n}\left(x_i - \bar{x}\right)^2}
$$

For $n = 1$ the scatter is not defined, which is why one measurement proves little.""",
    r"""Euler's identity ties five numbers together: $e^{i\pi} + 1 = 0$. It follows from

$$
e^{ix} = \cos x + i \sin x = \sum_{k=0}^{\infty} \frac{(ix)^k}{k!}
$$

at $x = \pi$, where the cosine is $-1$ and the sine vanishes.""",
)

LISTS = (
    """\
1. Send a message.
   - It is stored first.
   - Then it is acknowledged.
2. Watch the answer stream in.
3. Close the tab.
   - The answer does not mind.
4. Come back:
   - [x] the message is there
   - [x] the answer is there
   - [ ] you wonder how""",
    """\
- **Store** before you acknowledge.
- **Acknowledge** before you answer.
- **Publish** after the commit, never before.
   1. A hint may be lost.
   2. The log may not.""",
)

THOUGHT = (
    "The message has {words} words. It asks me to think, which a demonstration can not, but the "
    "page shows thoughts apart from the answer, so here is one to look at. First I would read the "
    "conversation from its beginning, then weigh what is asked, then answer in a few plain words. "
)

TOUR = """\
## A tour of this program, long enough to interrupt it

You asked for something long, so here is how this program works, in enough words that you can \
close the tab, pull the network cable or kill the server while they stream in.

### The life of a message

When you press the send key, the page gives your message an id and sends it over the socket. The \
server checks its shape and size, puts it into the log of its conversation and waits until the \
database says that it is on disk. Not in memory, not in a cache of the operating system: on disk. \
Then it sends the acknowledgement, and only then does the page believe it. If the connection \
breaks anywhere on that way, the page sends the message once more under the same id, and the \
server sees that it knows it already. A message is stored once, or it was never acknowledged. \
There is nothing in between.

> A receipt that is handed out before the goods are in the store is worth nothing.

### The life of an answer

An answer is harder, because it takes seconds and the model may stop in the middle of a word. \
While it streams, what was said so far is kept in memory and written down a few times a second. \
What you see comes straight from the model and does not wait for that.

| Moment | In memory | On disk |
|:---|:---|:---|
| first token | the token | the fact that a turn runs |
| half a second later | every token | nearly every token |
| the end | nothing | the whole answer, once |

If the server dies now, the next start finds a turn that nobody finishes any more. It takes the \
last checkpoint, stores it as an *interrupted* answer and offers you a **Retry**. That is why it \
makes sense to try it: run `kill -9` on the server while these lines arrive, start it again, and \
look at this very page.

### The log

Every message of a conversation has a number: 1, 2, 3, without gaps. A client that was away says \
which number it saw last and gets the rest. Nothing is ever overwritten. When you edit a \
message, or ask for another answer, a branch grows beside the old one:

```text
1 you      "How do I sort a list?"
├── 2 model  "Use sorted()."
└── 3 model  "list.sort() sorts in place."      ← the branch that you see
    └── 4 you  "And in reverse?"
```

Because a number always names the same bytes, two tabs that show the same numbers show the same \
conversation. Checking that is one comparison.

### How long is a wait

If a server answers a request in a time that is spread like $f(t) = \\lambda e^{-\\lambda t}$, \
then the mean wait is $1/\\lambda$, but one request in a hundred waits longer than

$$
t_{99} = \\frac{\\ln 100}{\\lambda} \\approx \\frac{4.6}{\\lambda}.
$$

So a mean says little about the worst minute of a day. It is the slow requests that people \
remember.

### What holds it together

1. **One writer.** All changes go through one thread, which puts those that wait into one \
transaction.
   - One sync to disk serves many messages.
   - A message that can not be stored fails alone.
2. **Many readers.** Opening a conversation reads its last page and nothing else.
   - How long the conversation is makes no difference to that.
3. **Hints, not truths.** What goes over the socket says that something changed. What is true \
stands in the database, and whoever doubts reads it there.

In a sketch:

```python
async def send(self, session_id: str, content: str) -> Appended:
    appended = await self.sessions.append(session_id, content)   # durable from here on
    self.bus.publish(MessageReceived(session_id, appended.message))
    self.turns.start(appended.turn)                              # the answer streams on its own
    return appended
```

### What it does not do

It deletes nothing because memory is full, and nothing because a day has passed. A conversation \
that nobody opens costs no memory and stays where it is. If you want old ones to go, there is a \
setting for that, and it is off.

If you read this far without interrupting anything, the answer was whole. Reload the page: it \
still is."""

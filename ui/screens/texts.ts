/**
 * What is said in the stories: the kinds of answer that a page of conversations must carry well.
 */
export const texts = {
  hashMap: `A hash map stores values under keys and finds them again **without searching**. It turns the key into a number, the *hash*, and uses that number to pick one of a fixed set of buckets.

1. \`hash(key)\` gives a large integer that is the same every time for the same key.
2. The remainder by the number of buckets says where to look.
3. Keys that land in the same bucket are kept in a short list and compared one by one.

The smallest useful one in Python:

\`\`\`python
class HashMap:
    """Maps hashable keys to values; average O(1) per operation."""

    def __init__(self, size: int = 64) -> None:
        self._buckets: list[list[tuple[object, object]]] = [[] for _ in range(size)]

    def _bucket(self, key: object) -> list[tuple[object, object]]:
        return self._buckets[hash(key) % len(self._buckets)]

    def set(self, key: object, value: object) -> None:
        bucket = self._bucket(key)
        for index, (known, _) in enumerate(bucket):
            if known == key:
                bucket[index] = (key, value)  # replace, never store twice
                return
        bucket.append((key, value))
\`\`\`

A real one also grows: once the buckets hold more than about two thirds as many entries as there are buckets, it makes twice as many and moves everything. See [the notes on dict](https://docs.python.org/3/faq/design.html) for how CPython does it.`,

  table: `They answer different needs. In short:

| | SQLite | PostgreSQL |
|---|---|---|
| Runs as | a library inside your process | a server of its own |
| Writers at a time | one | many |
| Set-up | none: a file | a service, roles, a port |
| Backup | copy one file (with the online backup API) | \`pg_dump\`, or streaming replication |
| Good until | one machine, hundreds of writes a second | many machines, many writers |

> Start with SQLite when one process owns the data. Move when you need a second machine to write.

### What to measure first

- How many writes happen **at the same moment**, not per day.
- How long a reader may wait behind a writer.
- Whether losing the machine may lose the last minute.`,

  maths: `The normal distribution has the density

$$f(x) = \\frac{1}{\\sigma\\sqrt{2\\pi}}\\, e^{-\\frac{1}{2}\\left(\\frac{x-\\mu}{\\sigma}\\right)^2}$$

where $\\mu$ is the mean and $\\sigma$ the standard deviation. About 68 % of the mass lies within $\\mu \\pm \\sigma$, since

$$\\int_{\\mu-\\sigma}^{\\mu+\\sigma} f(x)\\,dx = \\operatorname{erf}\\!\\left(\\tfrac{1}{\\sqrt 2}\\right) \\approx 0.6827.$$`,

  short: 'Yes. Write the test first, watch it fail, then make the change: the failing test is what tells you that you fixed the thing you meant to fix.',

  walk: `A good hour on foot, starting at the station:

1. Leave by the north door and follow the canal for ten minutes. The old lock keeper's house has a café since spring.
2. Cross at the iron bridge and go up through the allotments. The path is steep but short.
3. From the top you see the whole bay; on a clear day, the lighthouse.

Take a jacket: the wind comes in after four.`,
} as const;

"""Newer clients page through files (LIST-11)."""

from common import each, expect, got, play


async def scenario(client):
    files = client.files
    names = [f"{n}.txt" for n in range(5)]
    made = [(await got(files.create(file=(n, b"x"), purpose="assistants"))).id for n in names]
    newest_first = [f.id for f in await each(files.list(purpose="assistants", limit=2))]
    expect("five over three pages", newest_first[:5], made[::-1])
    rest = await each(files.list(purpose="assistants", limit=2, order="asc", after=made[0]))
    expect("ascending after the first", [f.id for f in rest][:4], made[1:])


play(scenario)

"""Searches of a vector store, with filters and ranking (VS-11, VS-12)."""

from common import each, expect, got, play, refusal_of
from documents import GUEST, MENU, PRICES
from openai import BadRequestError

OFTEN = {"poll_interval_ms": 20}
WANTED = "the soup of the day"


async def filled_store(client):
    store = await got(client.vector_stores.create())
    for file, year in ((MENU, 2023), (PRICES, 2024), (GUEST, 2025)):
        made = await got(client.files.create(file=file, purpose="assistants"))
        attributes = {"year": year, "about": file[0].partition(".")[0]}
        await got(
            client.vector_stores.files.create_and_poll(
                made.id, vector_store_id=store.id, attributes=attributes, **OFTEN
            )
        )
    return store


def compared(key, kind, value):
    return {"key": key, "type": kind, "value": value}


async def scenario(client):
    vector_stores = client.vector_stores
    store = await filled_store(client)

    async def found(query=WANTED, **options):
        return await each(vector_stores.search(store.id, query=query, **options))

    async def names(**options):
        return sorted(one.filename for one in await found("soup guest", **options))

    first, *rest = await found()
    shown = (first.filename, first.attributes, first.content[0].type)
    expect("best (VS-12)", shown, ("menu.md", {"year": 2023, "about": "menu"}, "text"))
    expect("passage", "pumpkin" in first.content[0].text, True)
    scores = [one.score for one in (first, *rest)]
    expect("best first", scores, sorted(scores, reverse=True))
    expect("scores in 0..1", [score for score in scores if not 0 <= score <= 1], [])

    expect("no filter", await names(), ["guest.html", "menu.md", "prices.txt"])
    filters = compared("about", "eq", "guest")
    expect("eq (VS-11)", await names(filters=filters), ["guest.html"])
    filters = compared("about", "ne", "guest")
    expect("ne (VS-11)", await names(filters=filters), ["menu.md", "prices.txt"])
    filters = compared("year", "gte", 2024)
    expect("gte (VS-11)", await names(filters=filters), ["guest.html", "prices.txt"])
    both = [compared("year", "gt", 2023), compared("year", "lt", 2025)]
    expect("and (VS-11)", await names(filters={"type": "and", "filters": both}), ["prices.txt"])
    either = {"type": "or", "filters": [compared("year", "lte", 2023), *both[:1]]}
    expect("or (VS-11)", len(await names(filters=either)), 3)

    expect("at most one (VS-12)", len(await found(max_num_results=1)), 1)
    strict = {"ranker": "auto", "score_threshold": 1.0}
    expect("threshold (VS-12)", [one.score for one in await found(ranking_options=strict)], [])
    page = await got(vector_stores.search(store.id, query=["soup", "walnuts"], rewrite_query=True))
    expect("page (VS-12)", page.object, "vector_store.search_results.page")
    expect("nothing", await found("zeppelin"), [])
    await refusal_of(BadRequestError, vector_stores.search, store.id, query="a", max_num_results=51)


play(scenario)

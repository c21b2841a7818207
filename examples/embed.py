"""blaster inside another program: the host's own loop, outcomes as they come.

    build/venv/bin/python examples/embed.py FOLDER [asyncio|uvloop]

FOLDER is a workspace (`blaster init FOLDER` makes one, `blaster keygen` its key).
"""

import asyncio
import sys

import blaster


async def main(folder: str) -> None:
    async with blaster.open(folder, workers=1) as engine:
        await engine.publish()
        outcomes = engine.subscribe()
        person = {"email": "dana@example.com", "first_name": "דנה"}
        await engine.contacts.upsert([person])
        await engine.contacts.consent("dana@example.com", "email", evidence={"asset": "shop"})
        await engine.send("email", "thanks", "dana@example.com")
        async for notice in outcomes:
            print(notice.fact, notice.channel, notice.message, *notice.reasons, flush=True)
            break


if sys.argv[2:] == ["uvloop"]:
    import uvloop

    uvloop.run(main(sys.argv[1]))
else:
    asyncio.run(main(sys.argv[1]))

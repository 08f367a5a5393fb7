"""Runs the scenarios of a client one after the other and names each."""

import asyncio
import inspect
import time
import warnings

# An answer that does not fit the client's own types is a failure.
warnings.filterwarnings("error", message="Pydantic serializer")


def run(*scenarios):
    async def all_of_them():
        for scenario in scenarios:
            done = scenario()
            if inspect.isawaitable(done):
                await done
            print("ok", scenario.__name__, flush=True)

    asyncio.run(all_of_them())


async def until(poll, done):
    """Polls until `done`, at most half a minute."""
    last = time.monotonic() + 30
    while not done(now := await poll()):
        assert time.monotonic() < last, now
        await asyncio.sleep(0.01)
    return now

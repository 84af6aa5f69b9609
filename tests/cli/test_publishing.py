"""Many things said at once: rehearsed without a trace, then said once."""

from __future__ import annotations

from fedcoop.cli.instances import LocalInstance
from fedcoop.cli.publishing import Line, key_of, rehearse, speak, speaker_of
from fedcoop.cli.worlds import in_world
from fedcoop.flow.world import World
from tests.cli.conftest import a_mission


def test_a_rehearsal_finds_the_faults_and_keeps_nothing(instance: LocalInstance):
    good, bad = a_mission(name="Répétée"), a_mission(slots=0)
    lines = [Line("good", good, key_of(good)), Line("bad", bad, key_of(bad))]

    async def story(world: World) -> tuple[list[str], int, int]:
        speaker = await speaker_of(world, None)
        before = (await world.store.read(lambda r: r.counts()))["activities"]
        faults = await rehearse(world, speaker, lines)
        return (
            [f.source for f in faults],
            before,
            (await world.store.read(lambda r: r.counts()))["activities"],
        )

    faulty, before, after = in_world(instance.folder, story)
    assert faulty == ["bad"]
    assert before == after


def test_what_was_said_under_a_key_is_not_said_again(instance: LocalInstance):
    mission = a_mission(name="Une fois")
    line = Line("one", mission, key_of(mission))

    async def story(world: World) -> list[bool]:
        said = [*await speak(world, world.instance.coop, [line], step=lambda: None)]
        said += await speak(world, world.instance.coop, [line], step=lambda: None)
        return [published.duplicate for published in said]

    assert in_world(instance.folder, story) == [False, True]

"""One update of the chapter's recipe, batch 64: the loss of stock ``SAC.train``, in less time."""

from __future__ import annotations

from benchmarks.chapter_baseline import chapter_agent
from benchmarks.conftest import InTurn
from benchmarks.counting import encoder_passes
from benchmarks.table import Row, verdict
from benchmarks.updating import batch_of, critic_loss_of, our_agent, ready_to_update, with_same_noise

BATCH = 64


def test_update(in_turn: InTurn, table: list[Row]) -> None:
    peer, ours, batch = chapter_agent(), our_agent(), batch_of(BATCH)
    ours.policy.load_state_dict(peer.policy.state_dict())
    update_ours, update_peer = ready_to_update(ours, batch), ready_to_update(peer, batch)

    losses = []
    passes = {}
    for name, agent, update in (("ours", ours, update_ours), ("peer", peer, update_peer)):
        with with_same_noise(), encoder_passes(agent, BATCH) as counted:
            update()
        losses.append(critic_loss_of(agent))
        passes[name] = counted
    difference = abs(losses[0] - losses[1])
    rounds = in_turn(update_ours, peer=update_peer)
    table += [
        Row(
            "one update, batch 64, chapter recipe, 84x84",
            f"{1000 * rounds.median():.0f} ms",
            f"{1000 * rounds.median('peer'):.0f} ms",
            f"{rounds.ratio('peer'):.2f} ({rounds.range('peer')})",
            "≥ 2 x",
            verdict(rounds.ratio("peer") >= 2),
        ),
        Row(
            "its critic loss, from the same parameters and batch",
            f"{losses[0]:.7f}",
            f"{losses[1]:.7f}",
            f"differs by {difference:.1e}",
            "within 1e-5",
            verdict(difference <= 1e-5),
        ),
        Row(
            "its encoder passes, forward + 2 x backward",
            f"{passes['ours'].forward_equivalents:g} = {passes['ours'].forward:g} + 2 x {passes['ours'].backward:g}",
            f"{passes['peer'].forward_equivalents:g} = {passes['peer'].forward:g} + 2 x {passes['peer'].backward:g}",
            f"{passes['peer'].forward_equivalents / passes['ours'].forward_equivalents:.2f}",
            "≤ 5",
            verdict(passes["ours"].forward_equivalents <= 5),
        ),
    ]


def test_update_in_bfloat16(in_turn: InTurn, table: list[Row]) -> None:
    """Not the peer's arithmetic any more, so a row of its own; the gradients are held to float32's in a test."""
    peer, ours, batch = chapter_agent(), our_agent(precision="bfloat16"), batch_of(BATCH)
    rounds = in_turn(ready_to_update(ours, batch), peer=ready_to_update(peer, batch))
    table.append(
        Row(
            "one update, batch 64, convolutions in bfloat16 (peer: float32)",
            f"{1000 * rounds.median():.0f} ms",
            f"{1000 * rounds.median('peer'):.0f} ms",
            f"{rounds.ratio('peer'):.2f} ({rounds.range('peer')})",
            "≥ 2 x",
            verdict(rounds.ratio("peer") >= 2),
        )
    )

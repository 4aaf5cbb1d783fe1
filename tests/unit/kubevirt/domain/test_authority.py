"""Which cluster may run a group."""

from hypothesis import given
from hypothesis import strategies as st

from siterecovery.kubevirt.domain.authority import NOBODY, Claim, Verdict, claim_of, decide

A, B = "cluster1", "cluster2"


def judge(own, **others):
    return decide(A, A, own, {name.replace("_", "-"): claim for name, claim in others.items()})


def test_the_highest_epoch_counts():
    """A higher epoch elsewhere takes the authority away; a lower one does not; both are confirmed by having been read."""
    lost = judge(Claim(1, A), cluster2=Claim(2, B))
    assert (lost.verdict, lost.behind, lost.may_start) == (Verdict.ELSEWHERE, True, False)
    kept = judge(Claim(3, A), cluster2=Claim(2, B))
    assert (kept.verdict, kept.behind, kept.may_start, kept.confirmed) == (Verdict.HERE, False, True, True)


def test_the_quorum_clusters_copy_counts_too():
    """Authority that only the quorum cluster still tells of is believed."""
    found = judge(Claim(1, A), cluster2=None, quorum=Claim(2, B))
    assert (found.verdict, found.behind, found.silent) == (Verdict.ELSEWHERE, True, ("cluster2",))


def test_silence_takes_nothing_away_and_confirms_nothing():
    """Who holds the authority keeps it while nobody else can be read, but unconfirmed."""
    found = judge(Claim(1, A), cluster2=None)
    assert (found.verdict, found.confirmed, found.silent) == (Verdict.HERE, False, ("cluster2",))


def test_one_epoch_has_one_cluster():
    """Equal epochs with different clusters are a split brain, whoever looks."""
    assert judge(Claim(2, A), cluster2=Claim(2, B)).verdict is Verdict.SPLIT
    assert judge(NOBODY, cluster2=Claim(2, B), quorum=Claim(2, A)).verdict is Verdict.SPLIT
    assert judge(Claim(1, A), cluster2=Claim(1, A)).verdict is Verdict.HERE


def test_the_first_claim_is_the_primarys_when_all_were_read():
    """A new group is unclaimed only on its primary, and only when every other copy was read and is empty."""
    assert judge(NOBODY, cluster2=NOBODY).verdict is Verdict.UNCLAIMED
    assert judge(NOBODY, cluster2=None).verdict is Verdict.UNKNOWN
    assert judge(NOBODY, cluster2=NOBODY, quorum=None).verdict is Verdict.UNKNOWN
    assert decide(B, A, NOBODY, {A: NOBODY}).verdict is Verdict.UNKNOWN


def test_a_lost_own_copy_takes_over_what_others_know():
    """A copy that was deleted and made again is behind."""
    found = judge(NOBODY, cluster2=Claim(4, A))
    assert (found.verdict, found.behind) == (Verdict.HERE, True)


def test_half_a_claim_is_none():
    """An epoch without a cluster, or a cluster without an epoch, is no claim."""
    assert claim_of({"status": {"epoch": 2}}) == claim_of({"status": {"activeCluster": A}}) == claim_of(None) == NOBODY


claims = st.builds(
    lambda epoch, name: Claim(epoch, name) if epoch else NOBODY, st.integers(0, 3), st.sampled_from([A, B])
)


@given(claims, claims, claims)
def test_two_clusters_never_both_may_start(one, two, third):
    """Reading the same copies, at most one of the two clusters may start the group's VMs."""
    here = decide(A, A, one, {B: two, "quorum": third})
    there = decide(B, A, two, {A: one, "quorum": third})
    assert not (here.may_start and there.may_start)


@given(claims, claims)
def test_a_raised_epoch_is_obeyed_by_whoever_reads_it(own, other):
    """Whoever may start while the other copy is readable holds the newest claim."""
    found = decide(A, A, own, {B: other})
    if found.may_start:
        assert max(own, other, key=lambda claim: claim.epoch).active == A

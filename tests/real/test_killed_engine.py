"""The engine is killed in the middle of a move between two real sites; the next one goes on, and nothing is made twice or left."""

from real.dr.moving import Moving


def test_away_and_home_with_killed_engines(moving: Moving) -> None:
    """kill -9 while Cinder takes volumes in, and on the way back while Nova builds: both moves complete as if nothing had been."""
    moving.write("site-a")
    away = moving.away()["operation_id"]
    moving.kill_engine("site-a", away, "manage_volumes_cinder")
    moving.completed(away)
    moving.runs_on("site-b")
    moving.left("site-a")

    moving.write("site-b")
    home = moving.home()["operation_id"]
    moving.kill_engine("site-b", home, "recreate_instances")
    moving.completed(home, cloud="site-b")
    moving.runs_on("site-a")
    moving.left("site-b")

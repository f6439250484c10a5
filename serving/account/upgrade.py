"""`oddsmith upgrade`: the journal's schema brought to this version's, without starting the bot."""

from serving.account import lock, migrations
from serving.account.database import connect


def upgrade(url: str, *, check_only: bool) -> str:
    """Migrate a journal, or say what a migration would do; a line for people.

    Raises:
        AlreadyRunning: if a bot holds the journal.
        ArtifactError: if the journal is newer than this program, or cannot be copied or migrated.
    """
    engine = connect(url)
    try:
        found = migrations.version_of(engine)
        migrations.refuse_newer(found)
        if found == migrations.VERSION:
            return f"the journal has schema {found}, as this version needs: nothing to do"
        if check_only:
            return (
                f"the journal has schema {found}; `oddsmith upgrade`, or the next start, copies it to the folder "
                f"`backups` and migrates it to {migrations.VERSION}"
            )
        held = lock.acquire(engine)
        try:
            done = migrations.bring_up(engine)
        finally:
            held.release()
    finally:
        engine.dispose()
    assert done is not None, "the version was older a moment ago, and the lock was ours"
    return f"migrated the journal from schema {done.before} to {done.after}; as it was before: {done.copy}"

"""Which code a run started from: git's commit, and the patch of what was not committed, stored with the run."""

from __future__ import annotations

from xver.git import history
from xver.git.state import dirty_patch, remote_url
from xver.model.runs import Attachment, Code
from xver.provenance.secrets import mask_bytes
from xver.repo import Repo
from xver.store.content import put_bytes
from xver.store.packing import Packer

_PATCH_MAX = 64 * 1024 * 1024


def code_state(repo: Repo, packer: Packer) -> Code:
    """Return commit, branch and address of the code beside us, and the patch from the commit to the disk.

    `xver.lock` is not part of the patch: which data there were stands in the run's inputs. Outside git nothing is
    known; the code files that the run reads are stored with it all the same. A patch that is too large is left out.
    """
    git = repo.git
    if git is None:
        return Code()
    patch = dirty_patch(git, _PATCH_MAX)
    attachment = None
    if patch:
        content = put_bytes(packer, mask_bytes(patch))
        attachment = Attachment(content.id, content.size)
    return Code(
        commit=history.head(git),
        branch=history.branch(git),
        dirty=patch != b"",
        patch=attachment,
        url=remote_url(git),
    )

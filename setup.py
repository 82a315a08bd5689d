"""What pyproject.toml cannot say: the workflow, its profiles and the demo go into the wheel."""

from pathlib import Path
from shutil import copytree, ignore_patterns

from setuptools import setup
from setuptools.command.build_py import build_py

FOLDERS = ("workflow", "scripts", "envs", "profiles", "config", "demo")


class BuildWithWorkflow(build_py):
    """Builds the package, with the folders of the repository that a run needs inside of it."""

    def run(self) -> None:
        """Copy the folders; an editable installation finds them in the repository."""
        super().run()
        if self.editable_mode:
            return
        for folder in FOLDERS:
            target = Path(self.build_lib, "levelfield", "_workflow", folder)
            copytree(folder, target, ignore=ignore_patterns("__pycache__"), dirs_exist_ok=True)


setup(cmdclass={"build_py": BuildWithWorkflow})

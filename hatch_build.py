"""Build hook."""
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
class PageBuildHook(BuildHookInterface):
    pass

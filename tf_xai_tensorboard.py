"""What TensorBoard loads at its start, before it knows whether there is anything to show.

TensorBoard does not guard the import of an entry point: an error in it is the end of TensorBoard, for all of its tabs.
To import any module of `tf_xai` runs `tf_xai/__init__.py`, which needs lazy_loader and, beside Keras, all of training.
This module has nothing above it; the package comes in `load`, where an error costs one tab.
"""

import logging

from tensorboard.plugins import base_plugin

PLUGIN = "tf_xai"

# How many steps of a tag are kept: without a word from us it would be 10 of the maps, not the same in all loaders.
STEPS = 200


class Loader(base_plugin.TBLoader):
    """Sees to it that enough steps are kept, and makes the plugin."""

    def fix_flags(self, flags):
        """What the user has asked for in `--samples_per_plugin` stands."""
        flags.samples_per_plugin = {PLUGIN: STEPS, **(getattr(flags, "samples_per_plugin", None) or {})}

    def load(self, context):
        """The plugin, or None, which TensorBoard passes over."""
        log = logging.getLogger("tensorboard")
        if PLUGIN in (context.plugin_name_to_instance or {}):
            log.warning("The tab XAI is left out: there is a plugin of the name %s already.", PLUGIN)
            return None
        try:
            from tf_xai.board.plugin import Plugin

            return Plugin(context)
        except Exception as error:
            log.warning("The tab XAI is left out: %s: %s", type(error).__name__, error)
            return None

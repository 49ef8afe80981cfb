"""The command line: `tf-xai demo`."""

import argparse
import os


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="tf-xai", description="Train models that are right for the right reasons.")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="watch a network stop cheating on handwritten digits")
    demo.add_argument("--quick", action="store_true", help="fewer epochs: under 40 seconds")
    demo.add_argument("--output", default="tf-xai-demo", help="directory for logs, pictures and the page")
    options = parser.parse_args(arguments)
    # Before TensorFlow starts: its notes about the processor are not what the user came for.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        import tensorflow  # noqa: F401
    except ModuleNotFoundError:
        parser.exit(1, "tf-xai needs TensorFlow: pip install 'tf-xai[tensorflow]'\n")
    from tf_xai.demo.run import run

    run(options.output, epochs=8 if options.quick else 30)


if __name__ == "__main__":
    main()
